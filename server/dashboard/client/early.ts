/** What the first page shows is asked for while the page's own script is still on its way, and taken by whoever asks first. */
import { SERVER_PATHS } from "../../../contract/paths.ts";

declare global {
  var earlyAnswers: Record<string, Promise<Response>> | undefined;
}

const PAGE_SIZE = 50;
/** The list of conversations from its beginning. */
export const FIRST_CONVERSATIONS = `${SERVER_PATHS.conversations}?pageSize=${PAGE_SIZE}`;

/** Asks for the session, and for the conversations where they are the page that opens. */
export function askEarly(address: string): void {
  // A one-time code begins a session of its own.
  if (address.startsWith("#code=")) return;
  const isList = /^(#\/conversations(\/.*)?)?$/.test(address);
  const paths = [SERVER_PATHS.session, ...(isList ? [FIRST_CONVERSATIONS] : [])];
  const headers = { accept: "application/json" };
  globalThis.earlyAnswers = Object.fromEntries(paths.map((path) => [path, fetch(path, { headers })]));
}

/** The answer to a request that was sent early, once; undefined for any other. */
export function takeEarly(path: string): Promise<Response> | undefined {
  const answer = globalThis.earlyAnswers?.[path];
  delete globalThis.earlyAnswers?.[path];
  return answer;
}

/** Forgets what was asked before this browser was signed in. */
export function forgetEarly(): void {
  delete globalThis.earlyAnswers;
}

/** The browser's session: found again, begun by a token or a one-time code, and ended. */
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { endedSessionSchema, sessionSchema, type StartSessionRequest } from "../../../contract/session.ts";
import { accessEnded, isSignedIn, request } from "./api.ts";
import { forgetEarly } from "./early.ts";

/** What the menubar's link carries: `#code=…`. */
const CODE_ADDRESS = /^#code=([^&]+)$/;

/** Signs this browser in. Throws RequestError, for a code that was used or has expired for one. */
export async function startSession(proof: StartSessionRequest): Promise<void> {
  await request(`POST ${SERVER_PATHS.session}`, { schema: sessionSchema, body: proof });
  forgetEarly();
  accessEnded.value = false;
  isSignedIn.value = true;
}

async function readSession(): Promise<void> {
  await request(`GET ${SERVER_PATHS.session}`, { schema: sessionSchema });
  isSignedIn.value = true;
}

/** Signs in by the code in the page's address, which is taken out of it, or by the session from before. */
export async function resumeSession(): Promise<void> {
  const code = CODE_ADDRESS.exec(location.hash)?.[1];
  if (code !== undefined) history.replaceState(null, "", location.pathname);
  const bySession = () => readSession().catch(() => void (isSignedIn.value = false));
  if (code === undefined) return await bySession();
  await startSession({ code: decodeURIComponent(code) }).catch(bySession);
}

/** Signs this browser out. */
export async function endSession(): Promise<void> {
  await request(`DELETE ${SERVER_PATHS.session}`, { schema: endedSessionSchema });
  isSignedIn.value = false;
  // The events may have ended first, as those of a browser whose access was taken.
  accessEnded.value = false;
}

/** Asks the Messages app to send a text, and checks whether the agent may control it. */
import { SCRIPT_ERRORS, type ScriptHost } from "./osascript.ts";

/**
 * The result of submitting a text to Messages. `taken` does not mean sent: Messages sends later, and some texts it
 * takes are never sent, so only chat.db can tell. `refused`: it was certainly not sent.
 */
export type SubmitResult =
  | { readonly kind: "taken" }
  | { readonly kind: "refused"; readonly reason: SubmitRefusal }
  | { readonly kind: "unclear" };

export type SubmitRefusal =
  | "not_authorized"
  | "no_such_chat"
  | "not_running"
  | "not_understood"
  | "not_started";

/** `not_running` tells nothing about the permission: asking would start Messages. */
export type AutomationAccess = "allowed" | "denied" | "not_running" | "unclear";

export interface OutgoingText {
  text: string;
  /** `chat.guid` of an existing chat. */
  chatGuid: string;
}

export interface MessagesApp {
  /** Submits one text. Never tries twice. */
  send(message: OutgoingText): Promise<SubmitResult>;
  /** Asks Messages for something harmless. The first time macOS may ask the person for permission. */
  probeAccess(): Promise<AutomationAccess>;
}

/** A chat is named by `chat id`, which takes groups as well; the text and the guid come as arguments. */
const SEND_SCRIPT = `on run argv
  with timeout of 20 seconds
    tell application "Messages" to send (item 1 of argv) to chat id (item 2 of argv)
  end timeout
end run
`;

/** `is running` asks the system; only `count windows` is an event to Messages. */
const PROBE_SCRIPT = `if application "Messages" is not running then return "not running"
with timeout of 15 seconds
  tell application "Messages" to count windows
end timeout
return "allowed"
`;

/** Longer than the script's own timeout, so that osascript tells of a timeout itself. */
const SEND_TIMEOUT_MS = 30_000;
/** Long enough for a person to answer macOS's question. */
const PROBE_TIMEOUT_MS = 20_000;

const REFUSALS = new Map<number | null, SubmitRefusal>([
  [SCRIPT_ERRORS.notAuthorized, "not_authorized"],
  [SCRIPT_ERRORS.noSuchObject, "no_such_chat"],
  [SCRIPT_ERRORS.badIndex, "no_such_chat"],
  [SCRIPT_ERRORS.notDefined, "not_understood"],
  [SCRIPT_ERRORS.wrongType, "not_understood"],
  [SCRIPT_ERRORS.notRunning, "not_running"],
]);

/** The Messages app, reached through AppleScript. */
export function createMessagesApp(
  scripts: ScriptHost,
  options: { sendTimeoutMs?: number } = {},
): MessagesApp {
  const { sendTimeoutMs = SEND_TIMEOUT_MS } = options;
  return {
    async send({ text, chatGuid }) {
      const result = await scripts.run({
        script: SEND_SCRIPT,
        args: [text, chatGuid],
        timeoutMs: sendTimeoutMs,
      });
      if (result.kind === "done") return { kind: "taken" };
      if (result.kind === "not_started") return { kind: "refused", reason: "not_started" };
      const reason = result.kind === "error" ? REFUSALS.get(result.number) : undefined;
      return reason === undefined ? { kind: "unclear" } : { kind: "refused", reason };
    },
    async probeAccess() {
      const result = await scripts.run({ script: PROBE_SCRIPT, timeoutMs: PROBE_TIMEOUT_MS });
      if (result.kind === "done") return result.output === "allowed" ? "allowed" : "not_running";
      const isDenied = result.kind === "error" && result.number === SCRIPT_ERRORS.notAuthorized;
      return isDenied ? "denied" : "unclear";
    },
  };
}

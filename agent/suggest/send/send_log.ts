/** The log of sent replies: written before anything is sent, so that nothing is ever sent twice. */
import { join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { countField, objectField, type StateFile, stateFile, textField } from "../../platform/state_file.ts";

/**
 * What happened to a text that was to be sent. `delivered`: it reached the other side. `sent`: it left this Mac.
 * `failed`: it was certainly not sent. `unknown`: only Messages itself can show it.
 */
export const SEND_OUTCOMES = ["delivered", "sent", "failed", "unknown"] as const;
export type SendOutcomeKind = typeof SEND_OUTCOMES[number];

/** One text that was to be sent. It names no one and holds no words. */
export interface SendEntry {
  readonly responseId: string;
  /** Chats in which the sent message may appear. */
  readonly chatIds: readonly number[];
  /** Digest of the words, by which the message is recognised. */
  readonly textDigest: string;
  /** The newest row of chat.db before it was sent. */
  readonly afterRowId: number;
  readonly startedAt: string;
  /** null while it is being sent, and after a crash. */
  readonly outcome: SendOutcomeKind | null;
}

export interface SendLog {
  /** Oldest first. */
  readonly entries: readonly SendEntry[];
}

const FILE = "sent_replies.json";
const VERSION = 1;
/** Far more drafts than can still be open. */
const MAX_ENTRIES = 2_000;

function outcomeOf(value: unknown): SendOutcomeKind | null {
  if (value === null) return null;
  const outcome = SEND_OUTCOMES.find((known) => known === value);
  if (outcome === undefined) throw new TypeError("A sent reply must have a known outcome");
  return outcome;
}

function chatIdsOf(value: unknown): number[] {
  if (Array.isArray(value) && value.every((id) => Number.isSafeInteger(id))) return value;
  throw new TypeError("A sent reply must list its chats by number");
}

function entryOf(value: unknown): SendEntry {
  const fields = objectField({ value }, "value");
  if (fields === null) throw new TypeError("A sent reply must be an object");
  return {
    responseId: textField(fields, "responseId"),
    chatIds: chatIdsOf(fields.chatIds),
    textDigest: textField(fields, "textDigest"),
    afterRowId: countField(fields, "afterRowId"),
    startedAt: textField(fields, "startedAt"),
    outcome: outcomeOf(fields.outcome),
  };
}

/** The send log of a data folder. */
export function sendLogStore(dataDir: string): StateFile<SendLog> {
  return stateFile({
    path: join(dataDir, FILE),
    version: VERSION,
    parse: ({ entries }) => {
      if (!Array.isArray(entries)) throw new TypeError("The log of sent replies must be a list");
      return { entries: entries.map(entryOf) };
    },
  });
}

/**
 * Reads the log.
 *
 * @throws UserError when it cannot be read: what it said may have been that the text was sent already
 */
export async function loadSendLog(store: StateFile<SendLog>): Promise<SendLog> {
  const stored = await store.load();
  if (stored.kind === "found") return stored.state;
  if (stored.kind === "missing") return { entries: [] };
  throw new UserError(`The log of sent replies in ${store.path} cannot be read, so nothing is sent`, {
    fix: "Check in Messages what was sent last, then remove that file",
  });
}

/** Writes an entry in place of the earlier one of the same draft; it is on the disk when this returns. */
export async function writeEntry(store: StateFile<SendLog>, entry: SendEntry): Promise<void> {
  const { entries } = await loadSendLog(store);
  const others = entries.filter(({ responseId }) => responseId !== entry.responseId);
  await store.save({ entries: [...others, entry].slice(-MAX_ENTRIES) });
}

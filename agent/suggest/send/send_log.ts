/** The log of sent replies: written before anything is sent, so that nothing is ever sent twice. */
import { UserError } from "../../../lib/errors.ts";
import {
  type AgentDatabase,
  DamagedStateError,
  existsSync,
  lossOf,
  Values,
} from "../../state/agent_database.ts";
import type { AgentStore } from "../../state/agent_store.ts";
import { type SendEntry, sendEntrySchema } from "../../state/stored_values.ts";

/** Far more drafts than can still be open. */
const MAX_ENTRIES = 2_000;

function entriesIn(database: AgentDatabase): Values<SendEntry> {
  return new Values(database, { table: "sent_replies", schema: sendEntrySchema });
}

/**
 * The entries of the log.
 *
 * @throws UserError when they cannot be read: what they said may have been that the text was sent already
 */
export function loadSendLog(store: AgentStore): SendEntry[] {
  try {
    return store.read((database) => {
      const lost = lossOf(database, "sends");
      if (lost !== null && existsSync(lost)) throw unreadable(lost);
      return [...entriesIn(database).all().values()];
    });
  } catch (error) {
    throw error instanceof DamagedStateError ? unreadable(store.path) : error;
  }
}

/** Writes an entry in place of the earlier one of the same draft; it is on the disk when this returns. */
export function writeEntry(store: AgentStore, entry: SendEntry): void {
  store.write((database) => {
    entriesIn(database).put(entry.responseId, entry);
    entriesIn(database).keepNewest(MAX_ENTRIES);
  });
}

function unreadable(path: string): UserError {
  return new UserError(`The log of sent replies in ${path} cannot be read, so nothing is sent`, {
    fix: "Check in Messages what was sent last, then remove that file",
  });
}

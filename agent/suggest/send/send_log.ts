/** The log of sent replies: written before anything is sent, so that nothing is ever sent twice. */
import { UserError } from "../../../lib/errors.ts";
import { existsSync, lossOf } from "../../state/agent_database.ts";
import type { AgentStore } from "../../state/agent_store.ts";
import type { SendEntry } from "../../state/stored_values.ts";

/** Far more drafts than can still be open. */
const MAX_ENTRIES = 2_000;

/**
 * The entries of the log.
 *
 * @throws UserError when they cannot be read: what they said may have been that the text was sent already
 */
export function loadSendLog(store: AgentStore): SendEntry[] {
  return store.read((database) => {
    const lost = lossOf(database, "sends");
    if (lost !== null && existsSync(lost)) throw unreadable(lost);
    return [...database.values("sent_replies").all().values()];
  }, () => {
    throw unreadable(store.path);
  });
}

/** Writes an entry in place of the earlier one of the same draft; it is on the disk when this returns. */
export function writeEntry(store: AgentStore, entry: SendEntry): void {
  store.write((database) => {
    database.values("sent_replies").put(entry.responseId, entry);
    database.values("sent_replies").keepNewest(MAX_ENTRIES);
  });
}

function unreadable(path: string): UserError {
  return new UserError(`The log of sent replies in ${path} cannot be read, so nothing is sent`, {
    fix: "Check in Messages what was sent last, then remove that file",
  });
}

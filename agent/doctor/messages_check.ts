/** The checks of what the agent reads: the Messages database and the address book. */
import { dirname } from "node:path";
import { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { readDatabaseIdentity } from "../chatdb/file/identity.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import { fault, type Finding, ok, SETTINGS_PANES } from "./finding.ts";

/** How many of the newest rows are read and decoded. */
const SAMPLE_ROWS = 200;

/**
 * Checks access first: without it nothing is known of the content, and one fault is reported once. Access may also
 * fail only when SQLite opens a file whose first bytes could be read.
 */
export function checkMessagesDatabase(path: string, nowMs: number): Finding[] {
  const access = ok("full_disk_access", `${dirname(path)} may be read`);
  try {
    using database = new ChatDatabase(path);
    return [access, contentFinding(database, nowMs)];
  } catch (error) {
    if (!(error instanceof ChatDatabaseError)) throw error;
    if (error.code === "permission_denied") return [denied(path)];
    const { message, fix } = error;
    const content = fault("messages_database", { status: "failure", message, fix: fix ?? "" });
    // Nothing is known of a folder that does not exist.
    return error.code === "missing" && !isFolder(dirname(path)) ? [content] : [access, content];
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function denied(path: string): Finding {
  return fault("full_disk_access", {
    status: "failure",
    message: `The Messages database at ${path} may not be read`,
    fix:
      "Allow Full Disk Access for the program that runs the agent (Conversation Assistant, or your terminal), " +
      "then start that program again; if it is allowed already, switch it off and on",
    pane: SETTINGS_PANES.fullDiskAccess,
  });
}

function contentFinding(database: ChatDatabase, nowMs: number): Finding {
  const { sequence } = readDatabaseIdentity(database, 0);
  if (sequence === 0) {
    return fault("messages_database", {
      status: "warning",
      message: "The Messages database holds no messages yet",
      fix: "Open Messages and sign in",
    });
  }
  const sample = new MessageReader(database).readAfter(Math.max(0, sequence - SAMPLE_ROWS), {
    limit: SAMPLE_ROWS,
    nowMs,
  });
  const { undecodableCount, messages } = sample;
  if (undecodableCount > 0) {
    return fault("messages_database", {
      status: "warning",
      message: `${undecodableCount} of the newest ${messages.length} messages cannot be decoded`,
      fix: "Update the agent; such messages are synced without their text",
    });
  }
  return ok("messages_database", `The newest messages can be read (${messages.length} checked)`);
}

/** Checks the address book. Without contacts the agent still syncs, so only a missing permission is a failure. */
export function checkAddressBook({ contacts, readSources, problems }: AddressBook): Finding {
  const denied = problems.find(({ code }) => code === "permission_denied");
  if (denied !== undefined) {
    return fault("address_book", {
      status: "failure",
      message: denied.message,
      fix: "Allow Full Disk Access for the program that runs the agent, then start that program again",
      pane: SETTINGS_PANES.fullDiskAccess,
    });
  }
  const [problem] = problems;
  if (problem !== undefined) {
    return fault("address_book", { status: "warning", message: problem.message, fix: problem.fix });
  }
  const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const found = `${counted(contacts.length, "contact")} in ${counted(readSources, "source")}`;
  return ok("address_book", `${found} can be read`);
}

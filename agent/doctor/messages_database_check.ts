/** Owns the check of Messages' database: may it be read at all, and can this version read what is in it. */
import { dirname } from "node:path";
import { ChatDatabase } from "../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { readDatabaseIdentity } from "../chatdb/file/identity.ts";
import { MessageReader } from "../chatdb/messages/message_reader.ts";
import { fault, faultOfSentence, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

/** So many of the newest rows are read and decoded. */
const SAMPLE_ROWS = 200;

/**
 * Access first: without it nothing can be said of the content, and one fault is told once. Access may also fail only
 * when SQLite opens what the first bytes could be read of.
 */
export function checkMessagesDatabase(path: string, nowMs: number): Finding[] {
  const access = ok("full_disk_access", `${dirname(path)} may be read`);
  try {
    return [access, readContent(path, nowMs)];
  } catch (error) {
    if (!(error instanceof ChatDatabaseError)) throw error;
    if (error.code === "permission_denied") return [denied(path)];
    const content = faultOfSentence("messages_database", { status: "failure", sentence: error.message });
    // Of a folder that is not there nothing can be said.
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
    remedy:
      "allow Full Disk Access for the program that runs the agent (Conversation Assistant, or your terminal), " +
      "then start that program again; if it is allowed already, switch it off and on",
    pane: SETTINGS_PANES.fullDiskAccess,
  });
}

/** @throws ChatDatabaseError when the database cannot be read */
function readContent(path: string, nowMs: number): Finding {
  using database = new ChatDatabase(path);
  return contentFinding(database, nowMs);
}

function contentFinding(database: ChatDatabase, nowMs: number): Finding {
  const { sequence } = readDatabaseIdentity(database, 0);
  if (sequence === 0) {
    return fault("messages_database", {
      status: "warning",
      message: "The database of Messages holds no messages yet",
      remedy: "open Messages and sign in",
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
      message: `Of the newest ${messages.length} messages ${undecodableCount} cannot be decoded`,
      remedy: "update the agent; such messages are synced without their text",
    });
  }
  return ok("messages_database", `The newest messages can be read (${messages.length} looked at)`);
}

/** The ways in which opening or reading chat.db fails: what happened, and what to do about it. */
import { UserError } from "../../../lib/errors.ts";

export type ChatDatabaseErrorCode =
  | "missing"
  | "permission_denied"
  | "empty_file"
  | "not_a_database"
  | "truncated"
  | "locked"
  | "not_messages"
  | "unknown_schema"
  | "read_only_folder";

const TEXTS: Record<ChatDatabaseErrorCode, (path: string) => { message: string; fix: string }> = {
  missing: (path) => ({
    message: `There is no Messages database at ${path}`,
    fix: "Open Messages and sign in once, or set AGENT_CHAT_DB to its path",
  }),
  permission_denied: (path) => ({
    message: `The Messages database at ${path} may not be read`,
    fix:
      "Allow Full Disk Access for this program in System Settings > Privacy & Security, then start it again",
  }),
  empty_file: (path) => ({
    message: `The file ${path} is empty`,
    fix: "Set AGENT_CHAT_DB to the chat.db that Messages itself uses, not to a copy",
  }),
  not_a_database: (path) => ({
    message: `The file ${path} is not an SQLite database`,
    fix: "Set AGENT_CHAT_DB to the chat.db of Messages",
  }),
  truncated: (path) => ({
    message: `The database ${path} is damaged or cut short`,
    fix: "If it is a copy, copy it again with its -wal file; otherwise quit Messages, open it again, " +
      "and restore chat.db from a backup if that does not help",
  }),
  locked: (path) => ({
    message: `Another program keeps the database ${path} locked`,
    fix: "Quit whatever else has it open, such as a database browser, and try again",
  }),
  not_messages: (path) => ({
    message: `The database ${path} has no table of messages, so it is not that of Messages`,
    fix: "Set AGENT_CHAT_DB to the right file",
  }),
  unknown_schema: (path) => ({
    message: `The messages in ${path} have no guid, by which each is known, so this version cannot read them`,
    fix: "Set AGENT_CHAT_DB to a chat.db that Messages of OS X 10.11 or later has written",
  }),
  read_only_folder: (path) => ({
    message:
      `The folder of ${path} may not be written to, and a copy could not be made elsewhere: there is no room, or ` +
      "another program was writing",
    fix:
      "Quit the other program or make room, or copy chat.db together with its -wal file to a folder of your own " +
      "and set AGENT_CHAT_DB to that copy",
  }),
};

/** chat.db cannot be opened or read; `code` is stable. */
export class ChatDatabaseError extends UserError {
  override readonly name = "ChatDatabaseError";

  constructor(readonly code: ChatDatabaseErrorCode, readonly path: string, options?: ErrorOptions) {
    const { message, fix } = TEXTS[code](path);
    super(message, { ...options, fix });
  }
}

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html), the low byte of `errcode`. */
const CODE_OF_RESULT = new Map<number, ChatDatabaseErrorCode>([
  [3, "permission_denied"], // SQLITE_PERM
  [5, "locked"], // SQLITE_BUSY
  [6, "locked"], // SQLITE_LOCKED
  [8, "permission_denied"], // SQLITE_READONLY: no right to make the -shm file beside the database
  [11, "truncated"], // SQLITE_CORRUPT
  [14, "permission_denied"], // SQLITE_CANTOPEN
  [23, "permission_denied"], // SQLITE_AUTH: macOS without Full Disk Access
  [26, "not_a_database"], // SQLITE_NOTADB
]);

/** Converts an error of node:sqlite into a `ChatDatabaseError`; any other error is returned unchanged. */
export function asChatDatabaseError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SQLITE_ERROR") return error;
  const result = "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : null;
  // Deno 2.9 gives errors of opening no errcode; the file itself has been probed by then, so only access is left.
  const code = result === null ? "permission_denied" : CODE_OF_RESULT.get(result);
  return code === undefined ? error : new ChatDatabaseError(code, path, { cause: error });
}

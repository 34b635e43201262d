/** Owns the failures of opening and reading chat.db: what happened, in a sentence, and what to do. */

export type ChatDatabaseErrorCode =
  | "missing"
  | "permission_denied"
  | "empty_file"
  | "not_a_database"
  | "truncated"
  | "locked"
  | "not_messages";

const SENTENCES: Record<ChatDatabaseErrorCode, (path: string) => string> = {
  missing: (path) =>
    `There is no Messages database at ${path}: open Messages and sign in once, or set AGENT_CHAT_DB to its place`,
  permission_denied: (path) =>
    `The Messages database at ${path} may not be read: allow Full Disk Access for this program in ` +
    "System Settings > Privacy & Security, then start it again",
  empty_file: (path) =>
    `The file ${path} is empty: set AGENT_CHAT_DB to the chat.db that Messages itself uses, not to a copy`,
  not_a_database: (path) =>
    `The file ${path} is not an SQLite database: set AGENT_CHAT_DB to the chat.db of Messages`,
  truncated: (path) =>
    `The database ${path} is damaged or cut short: if it is a copy, copy it again with its -wal file; ` +
    "otherwise quit Messages, open it again, and restore chat.db from a backup if that does not help",
  locked: (path) =>
    `Another program keeps the database ${path} locked: quit what else has it open, such as a database browser, and try again`,
  not_messages: (path) =>
    `The database ${path} has no table of messages, so it is not that of Messages: set AGENT_CHAT_DB to the right file`,
};

/** chat.db cannot be opened or read; `code` is stable and the message says what to do. */
export class ChatDatabaseError extends Error {
  override name = "ChatDatabaseError";

  constructor(readonly code: ChatDatabaseErrorCode, readonly path: string, options?: ErrorOptions) {
    super(SENTENCES[code](path), options);
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

/** The `ChatDatabaseError` that an error of node:sqlite stands for; any other error is returned as it is. */
export function asChatDatabaseError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_SQLITE_ERROR") return error;
  const result = "errcode" in error && typeof error.errcode === "number" ? error.errcode & 0xff : null;
  // Deno 2.9 gives errors of opening no errcode; the file itself has been probed by then, so only access is left.
  const code = result === null ? "permission_denied" : CODE_OF_RESULT.get(result);
  return code === undefined ? error : new ChatDatabaseError(code, path, { cause: error });
}

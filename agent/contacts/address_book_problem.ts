/** Owns what can be wrong with the address book: which part of it, in a sentence, and what to do. */
import { asChatDatabaseError, ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";

export type AddressBookProblemCode =
  | "missing"
  | "no_sources"
  | "permission_denied"
  | "locked"
  | "damaged"
  | "not_an_address_book";

/** A folder or source that gave no contacts. The others were read; what was synced from this one before stays. */
export interface AddressBookProblem {
  /** Stable. `missing` and `no_sources` mean that there is nothing to read, the others that it may not or cannot be. */
  code: AddressBookProblemCode;
  path: string;
  /** What happened and what to do; holds no name and no number. */
  message: string;
}

const SENTENCES: Record<AddressBookProblemCode, (path: string) => string> = {
  missing: (path) =>
    `There is no address book at ${path}: open Contacts once, or set AGENT_ADDRESS_BOOK to its folder`,
  no_sources: (path) =>
    `The folder ${path} holds no address book: open Contacts once, or set AGENT_ADDRESS_BOOK to the right folder`,
  permission_denied: (path) =>
    `The address book at ${path} may not be read: allow Full Disk Access for this program in ` +
    "System Settings > Privacy & Security, then start it again",
  locked: (path) =>
    `Another program keeps the address book ${path} locked: it is tried again at the next sync`,
  damaged: (path) =>
    `The address book ${path} is damaged or cut short: open Contacts to have it repaired; its contacts are left out until then`,
  not_an_address_book: (path) =>
    `The file ${path} is not an address book that this version can read: it is left out`,
};

/** The problem `code` of the file or folder at `path`. */
export function addressBookProblem(code: AddressBookProblemCode, path: string): AddressBookProblem {
  return { code, path, message: SENTENCES[code](path) };
}

/** The problem that `error`, thrown while `path` was read, stands for; a fault of the program is thrown again. */
export function asAddressBookProblem(error: unknown, path: string): AddressBookProblem {
  const known = asChatDatabaseError(error, path);
  if (!(known instanceof ChatDatabaseError)) {
    if (isSqliteError(known)) return addressBookProblem("damaged", path);
    throw error;
  }
  switch (known.code) {
    case "missing":
    case "permission_denied":
    case "locked":
      return addressBookProblem(known.code, path);
    case "empty_file":
    case "truncated":
      return addressBookProblem("damaged", path);
    case "not_a_database":
    case "not_messages":
      return addressBookProblem("not_an_address_book", path);
  }
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

/** The ways in which reading the address book fails: what happened, and what to do about it. */
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
  /** What happened; holds no name and no number. */
  message: string;
  /** What to do about it. */
  fix: string;
}

const TEXTS: Record<AddressBookProblemCode, (path: string) => Pick<AddressBookProblem, "message" | "fix">> = {
  missing: (path) => ({
    message: `There is no address book at ${path}`,
    fix: "Open Contacts once, or set AGENT_ADDRESS_BOOK to its folder",
  }),
  no_sources: (path) => ({
    message: `The folder ${path} holds no address book`,
    fix: "Open Contacts once, or set AGENT_ADDRESS_BOOK to the right folder",
  }),
  permission_denied: (path) => ({
    message: `The address book at ${path} may not be read`,
    fix:
      "Allow Full Disk Access for this program in System Settings > Privacy & Security, then start it again",
  }),
  locked: (path) => ({
    message: `Another program keeps the address book ${path} locked`,
    fix: "Quit that program, or wait: the next sync tries again",
  }),
  damaged: (path) => ({
    message: `The address book ${path} is damaged or cut short, so its contacts are skipped`,
    fix: "Open Contacts to have it repaired",
  }),
  not_an_address_book: (path) => ({
    message: `The file ${path} is not an address book that this version can read, so it is skipped`,
    fix: "Update the agent",
  }),
};

/** The problem `code` of the file or folder at `path`. */
export function addressBookProblem(code: AddressBookProblemCode, path: string): AddressBookProblem {
  return { code, path, ...TEXTS[code](path) };
}

/** Converts `error`, thrown while `path` was read, into a problem; a bug in the program is thrown again. */
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
    case "read_only_folder":
      return addressBookProblem("permission_denied", path);
    case "empty_file":
    case "truncated":
      return addressBookProblem("damaged", path);
    case "not_a_database":
    case "not_messages":
    case "unknown_schema":
      return addressBookProblem("not_an_address_book", path);
  }
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
}

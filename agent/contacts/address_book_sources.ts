/** Finds the databases of the address book, one for this Mac and one for each account, and notices changes in them. */
import { dirname, join } from "node:path";
import { fileSignature } from "../chatdb/file/database_file.ts";
import { type AddressBookProblem, addressBookProblem } from "./address_book_problem.ts";

/** Contacts keeps this file in the folder itself ("On My Mac") and in `Sources/<UUID>` of each account. */
const SOURCE_FILE = "AddressBook-v22.abcddb";
const ACCOUNTS_FOLDER = "Sources";

/** The sources of an address book; accounts come first, because "On My Mac" is often an old copy. */
export interface AddressBookSources {
  paths: string[];
  problems: AddressBookProblem[];
}

/** Finds the sources in `folder`. No source at all is a problem, and so is a folder that may not be listed. */
export function findSources(folder: string): AddressBookSources {
  const root = list(folder);
  if (!Array.isArray(root)) return { paths: [], problems: [problemOf(folder, root)] };
  const sources: AddressBookSources = { paths: [], problems: [] };
  if (root.includes(ACCOUNTS_FOLDER)) addAccounts(sources, join(folder, ACCOUNTS_FOLDER));
  if (root.includes(SOURCE_FILE)) sources.paths.push(join(folder, SOURCE_FILE));
  if (sources.paths.length === 0 && sources.problems.length === 0) {
    sources.problems.push(addressBookProblem("no_sources", folder));
  }
  return sources;
}

function addAccounts(sources: AddressBookSources, folder: string): void {
  const accounts = list(folder);
  if (!Array.isArray(accounts)) {
    sources.problems.push(problemOf(folder, accounts));
    return;
  }
  for (const account of accounts.sort()) {
    const entries = list(join(folder, account));
    if (entries === "denied") sources.problems.push(problemOf(join(folder, account), entries));
    if (Array.isArray(entries) && entries.includes(SOURCE_FILE)) {
      sources.paths.push(join(folder, account, SOURCE_FILE));
    }
  }
}

type Unlisted = "absent" | "denied";

/** The names in `folder`, or why they cannot be had. */
function list(folder: string): string[] | Unlisted {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "denied";
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return "absent";
    throw error;
  }
}

/** macOS 27 hides what may not be read: such a folder is absent, while its parent may not be listed. */
function problemOf(folder: string, unlisted: Unlisted): AddressBookProblem {
  const isDenied = unlisted === "denied" || list(dirname(folder)) === "denied";
  return addressBookProblem(isDenied ? "permission_denied" : "missing", folder);
}

/** A value that differs after every change of the sources in `folder`, and when one comes or goes. */
export function addressBookSignature(folder: string): string {
  const { paths } = findSources(folder);
  return paths.map((path) => `${path} ${fileSignature(path)}`).join("\n");
}

/** Owns noticing that Contacts has written, without opening its databases. */
import { fileSignature } from "../chatdb/file/database_file.ts";
import { findSources } from "./address_book_sources.ts";

/** A value that differs after every change of the sources in `folder`, and when one comes or goes. */
export function addressBookSignature(folder: string): string {
  const { paths } = findSources(folder);
  return paths.map((path) => `${path} ${fileSignature(path)}`).join("\n");
}

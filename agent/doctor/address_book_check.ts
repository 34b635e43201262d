/** Owns the check of the address book. */
import type { AddressBook } from "../contacts/address_book.ts";
import { fault, faultOfSentence, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

/** Without contacts the agent syncs all the same, so only a missing permission counts as a failure. */
export function checkAddressBook({ contacts, readSources, problems }: AddressBook): Finding {
  const denied = problems.find(({ code }) => code === "permission_denied");
  if (denied !== undefined) {
    return fault("address_book", {
      status: "failure",
      message: `The address book at ${denied.path} may not be read`,
      remedy: "allow Full Disk Access for the program that runs the agent, then start that program again",
      pane: SETTINGS_PANES.fullDiskAccess,
    });
  }
  const [problem] = problems;
  if (problem !== undefined) {
    return faultOfSentence("address_book", { status: "warning", sentence: problem.message });
  }
  const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const found = `${counted(contacts.length, "contact")} in ${counted(readSources, "source")}`;
  return ok("address_book", `${found} can be read`);
}

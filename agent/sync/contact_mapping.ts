/** Owns the mapping of a contact of the address book to the contract's contact. */
import type { SyncContact } from "../../contract/sync.ts";
import type { Contact } from "../contacts/address_book.ts";
import { fitLabel, fitText } from "./wire_text.ts";

/** Lengths of `contract/sync.ts`. */
const MAX_PHONE_NUMBER = 64;
const MAX_EMAIL = 320;
const MAX_NAME = 512;

/** The contact as the server takes it. */
export function wireContactOf({ phoneNumber, email, displayName, avatarHash }: Contact): SyncContact {
  return {
    appleId: null,
    phoneNumber: fitLabel(phoneNumber, MAX_PHONE_NUMBER),
    email: fitLabel(email, MAX_EMAIL),
    displayName: fitText(displayName, MAX_NAME),
    avatarHash,
  };
}

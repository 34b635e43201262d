/** Owns the mapping of a contact of the address book to the contract's contact. */
import {
  MAX_ADDRESS_LENGTH,
  MAX_DISPLAY_NAME_LENGTH,
  MAX_PHONE_NUMBER_LENGTH,
  type SyncContact,
} from "../../contract/sync.ts";
import type { Contact } from "../contacts/address_book.ts";
import { fitLabel, fitText } from "./wire_text.ts";

/** The contact as the server takes it. */
export function wireContactOf({ phoneNumber, email, displayName, avatarHash }: Contact): SyncContact {
  return {
    appleId: null,
    phoneNumber: fitLabel(phoneNumber, MAX_PHONE_NUMBER_LENGTH),
    email: fitLabel(email, MAX_ADDRESS_LENGTH),
    displayName: fitText(displayName, MAX_DISPLAY_NAME_LENGTH),
    avatarHash,
  };
}

/** Owns the one spelling of an address: a person's handle, and the owner's own aliases. */

/** Suffix of the identifiers of filtered SMS senders, as in `+15550100(smsfp)`. */
const FILTER_SUFFIX = /\(sms[a-z_]*\)$/;
/** `account` and `account_login` mark an address as e-mail or phone number: `E:me@example.com`, `P:+1555…`. */
const ACCOUNT_PREFIX = /^[EP]:/i;

/** A handle in the one spelling under which it is compared and sent: e-mail addresses in lower case. */
export function normalizeHandle(id: string): string {
  const handle = id.trim().replace(FILTER_SUFFIX, "");
  return handle.includes("@") ? handle.toLowerCase() : handle;
}

/** The owner's address in `destination_caller_id`, `account`, `account_login` or `last_addressed_handle`. */
export function normalizeAlias(value: string): string | null {
  return normalizeHandle(value.replace(ACCOUNT_PREFIX, "")) || null;
}

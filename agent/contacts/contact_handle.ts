/** Owns the spelling of addresses: what a person typed into a card becomes the handle that chat.db has for it. */
import { isSupportedCountry, parsePhoneNumberFromString } from "libphonenumber-js";

/** Used where neither the caller nor the system's language names a country. */
const FALLBACK_REGION = "US";

const EMAIL = /^[^@\s]+@[^@\s]+$/;
/** Longest e-mail address that RFC 5321 §4.5.3.1 allows: 64 characters, an at sign, 255 characters. */
const MAX_EMAIL_LENGTH = 320;

/** Short codes of services, such as 262966, have no country and stand in chat.db as they are. */
const SHORT_CODE = /^\d{3,8}$/;

/**
 * The phone number in E.164 form, without an extension; a short code as its digits; null when it is neither.
 *
 * @param region ISO 3166 country in which a number without country code is meant
 */
export function phoneHandle(typed: string, region: string): string | null {
  const parsed = parsePhoneNumberFromString(typed, isSupportedCountry(region) ? region : FALLBACK_REGION);
  if (parsed?.isPossible()) return parsed.number;
  const digits = typed.replaceAll(/[\s().-]/g, "");
  return SHORT_CODE.test(digits) ? digits : null;
}

/** The e-mail address in lower case; null when it is none. */
export function emailHandle(typed: string): string | null {
  const address = typed.trim().toLowerCase();
  return address.length <= MAX_EMAIL_LENGTH && EMAIL.test(address) ? address : null;
}

/** The country of the system's language setting: where numbers without a country code are most likely at home. */
export function systemRegion(language: string = navigator.language): string {
  try {
    return new Intl.Locale(language).maximize().region ?? FALLBACK_REGION;
  } catch {
    return FALLBACK_REGION;
  }
}

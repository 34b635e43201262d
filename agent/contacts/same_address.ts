/**
 * The one notion of the same address: a phone number in all its spellings, an e-mail address, a sender's name. A spelling
 * never splits a person, two numbers never become one, and no number is made up: what cannot be completed with certainty
 * stays as it was typed.
 */
import {
  type CountryCode,
  isSupportedCountry,
  Metadata,
  type NumberingPlan,
  parsePhoneNumberFromString,
  type PhoneNumber,
} from "libphonenumber-js/mobile";

/** An address that chat.db has, with the country that it names for it. */
export interface KnownHandle {
  readonly id: string;
  /** ISO 3166 country in any case of letters; null where there is none. */
  readonly country: string | null;
}

/** Suffix of the identifiers of filtered SMS senders, as in `+15550100(smsfp)`. */
const FILTER_SUFFIX = /\(sms[a-z_]*\)$/;
/** How links and some programs begin an address. */
const SCHEME = /^(?:tel|sms|smsto|imessage|facetime|facetime-audio|mailto):(?:\/\/)?/i;
/** Marks of writing direction and invisible characters, in which Messages and Contacts wrap numbers. */
// deno-lint-ignore no-control-regex -- these are what is removed
const INVISIBLE = /[\u0000-\u001F\u00AD\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/g;
/** What people write around a number: a picture of a telephone, what it is for, in Brazil the place of a company's code. */
const AROUND =
  /^[\p{So}\uFE0F\s]+|^\p{L}[\p{L}.\s]*:\s*|^\(?0\s*xx|\s*\([^()\p{N}]+\)$|\s+\p{L}[\p{L}\s.]*$/giu;
const EXTENSION = /(?:[;,]|\s*(?:ext(?:ension|n)?\.?|x|#|durchwahl|poste)(?=[\s:.]*\p{N}))[\s\S]*$/iu;
/** The trunk prefix that people write into an international number: +49 (0)171. */
const TRUNK_IN_BRACKETS = /(\p{N})[\s-]*\(0\)/u;
const PLUS = /^[\s(\uFF08]*[+\uFF0B]/;
const PHONE =
  /^[\s(\uFF08]*[+\uFF0B]?[\p{Nd}\s().\-\/\u00A0\u00B7\u2010-\u2015\u2212\uFF08\uFF09\uFF0D\u2000-\u200A\u202F~*]+$/u;
const PLAIN_DIGITS = /^\+?[0-9]+$/;
/** Short codes have no country. */
const MAX_SHORT_CODE = 6;
/** National numbers of fewer digits are too many people's. */
const MIN_MATCHED_DIGITS = 7;
/**
 * Complete numbers that are written in two ways, each with the shorter one: by it they are compared, and never shown. Messages
 * keeps the older one of a conversation for years.
 */
const LONGER_FORMS: readonly [form: RegExp, shorter: string][] = [
  // Mexico: a 1 before mobile numbers, until 2019.
  [/^\+521(\d{10})$/, "+52$1"],
  // Argentina: a 9 before mobile numbers in calls from abroad; texts come without it. Houses have other numbers.
  [/^\+549(\d{10})$/, "+54$1"],
  // Brazil: a 9 before mobile numbers, since 2016. Those with 7 may be of radios, which have none.
  [/^\+55(\d{2})9([689]\d{7})$/, "+55$1$2"],
  // Benin: 01 before all numbers, since 2024.
  [/^\+22901(\d{8})$/, "+229$1"],
  // Côte d’Ivoire: two digits for the company, since 2021, by the second digit of the number.
  [/^\+225(?:01(?=\d[0-3])|05(?=\d[4-6])|07(?=\d[7-9]))(\d{8})$/, "+225$1"],
];
/** How mobile numbers were dialled within Mexico until 2019. */
const MEXICAN_TRUNK = /^(?:01|04[45])(?=\d{10}$)/;
const MAY_HAVE_TRUNK = /^\+\d{1,3}0/;
/** Dialled before a country code in most of the world, and in North America. */
const EXIT_CODE = /^(?:00|011)/;

/** An address without what is not part of it; e-mail addresses in lower case. */
export function plainAddress(typed: string): string {
  const address = typed.replace(INVISIBLE, "").trim().replace(SCHEME, "").replace(FILTER_SUFFIX, "").trim();
  return address.includes("@") ? address.toLowerCase() : address;
}

/** The digits of a phone number, with its plus sign; null for what is no phone number. */
export function phoneDigits(typed: string): string | null {
  if (PLAIN_DIGITS.test(typed)) return typed;
  const address = plainAddress(typed);
  const number = address.replace(AROUND, "").replace(EXTENSION, "").replace(
    TRUNK_IN_BRACKETS,
    "$1",
  );
  if (!PHONE.test(number)) return null;
  const digits = Array.from(number.normalize("NFKC")).map(digitOf).join("");
  // A few digits with words are a name.
  if (digits === "" || digits.length < MIN_MATCHED_DIGITS && /\p{L}/u.test(address)) return null;
  return PLUS.test(number) ? `+${digits}` : digits;
}

/** Unicode has the digits of each script in a row of ten. */
function digitOf(character: string): string {
  if (/[0-9]/.test(character)) return character;
  if (!/\p{Nd}/u.test(character)) return "";
  let zero = character.codePointAt(0) ?? 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1)) && (character.codePointAt(0) ?? 0) - zero < 9) zero--;
  return String((character.codePointAt(0) ?? 0) - zero);
}

/** The country that a setting, a locale or chat.db names; null for none that has telephone numbers. */
export function countryOf(name: string | null | undefined): CountryCode | null {
  const country = name?.trim().toUpperCase() ?? "";
  return isSupportedCountry(country) ? country : null;
}

/** The country of a complete number; of numbers that several share the largest one's. */
export function countryOfNumber(number: string): CountryCode | null {
  const parsed = number.startsWith("+") ? parsePhoneNumberFromString(number) : undefined;
  return parsed === undefined ? null : parsed.country ?? parsed.getPossibleCountries()[0] ??
    (parsed.countryCallingCode === "1" ? "US" : null);
}

interface Plan extends NumberingPlan {
  nationalPrefix(): string | undefined;
  nationalNumberPattern(): string;
}

function planOf(country: CountryCode): Plan {
  const metadata = new Metadata();
  metadata.selectNumberingPlan(country);
  // The types of the package leave these two out.
  return metadata.numberingPlan as Plan;
}

/** The national prefix that belongs before a number dialled within the country; in North America it may be left out. */
function trunkPrefixOf(country: CountryCode): string {
  const prefix = planOf(country).nationalPrefix() ?? "";
  return prefix === "1" ? "" : prefix;
}

/** A number completed with a country's code, and how certain it is that people there mean that by it. */
interface Completion {
  readonly number: string;
  /** `mobile`: a mobile number of that country. `plausible`: written as its numbers are. */
  readonly kind: "mobile" | "plausible";
}

function completionOf(dialled: string, country: CountryCode): Completion | null {
  const digits = country === "MX" ? dialled.replace(MEXICAN_TRUNK, "") : dialled;
  const parsed = parsePhoneNumberFromString(digits, country);
  if (parsed === undefined || !parsed.isPossible()) return null;
  if (parsed.isValid()) return { number: parsed.number, kind: "mobile" };
  const isNational = digits.startsWith(trunkPrefixOf(country)) &&
    new RegExp(`^(?:${planOf(country).nationalNumberPattern()})$`).test(parsed.nationalNumber);
  return isNational ? { number: parsed.number, kind: "plausible" } : null;
}

/** `exact`: as people in the number's country write it. `digits`: the significant digits are the same. */
function matchOf(digits: string, known: PhoneNumber): "exact" | "digits" | null {
  const { nationalNumber, countryCallingCode } = known;
  const key = keyOf(known.number);
  const country = countryOfNumber(known.number);
  const prefix = country === null ? "" : trunkPrefixOf(country);
  if (digits === prefix + nationalNumber) return "exact";
  const completion = country === null ? null : completionOf(digits, country);
  if (completion !== null && digits.startsWith(prefix) && keyOf(completion.number) === key) return "exact";
  const meant = [digits, digits.replace(/^[01]/, "")].map((national) => `+${countryCallingCode}${national}`);
  return [`+${digits}`, ...meant, completion?.number ?? ""].some((number) => keyOf(number) === key)
    ? "digits"
    : null;
}

/** By which the spellings of one complete number are compared. */
function keyOf(number: string): string {
  const [form, shorter] = LONGER_FORMS.find(([longer]) => longer.test(number)) ?? [];
  return form === undefined || shorter === undefined ? number : number.replace(form, shorter);
}

/** Knows the addresses of chat.db and the owner's country, and gives every address its one spelling. */
export class KnownAddresses {
  /** Complete numbers by their key, in the spelling that was met first. */
  readonly #complete = new Map<string, string>();
  readonly #byEnding = new Map<string, string[]>();
  /** Numbers without a country code that could not be completed. */
  readonly #national: string[] = [];
  /** What chat.db names for its own spellings. */
  readonly #countries = new Map<string, string | null>();
  readonly #spellings = new Map<string, string>();
  readonly region: CountryCode | null;

  /** @param options.region ISO 3166 country in which a number without a country code is meant; null: not known */
  constructor(handles: Iterable<KnownHandle> = [], options: { region?: string | null } = {}) {
    this.region = countryOf(options.region);
    const incomplete: KnownHandle[] = [];
    for (const handle of handles) {
      this.#countries.set(handle.id, handle.country);
      const digits = phoneDigits(handle.id);
      if (digits?.startsWith("+")) this.#add(digits);
      else if (digits !== null) incomplete.push(handle);
    }
    for (const { id } of incomplete) {
      const spelling = this.spelling(id);
      if (spelling.startsWith("+")) this.#add(spelling);
      else if (spelling.length > MAX_SHORT_CODE) this.#national.push(spelling);
    }
    if (this.#national.length > 0) this.#spellings.clear();
  }

  /**
   * The one spelling of an address: a known number's own, else with its country code where that is certain, else as it
   * was typed, without punctuation.
   */
  spelling(typed: string): string {
    const known = this.#spellings.get(typed);
    if (known !== undefined) return known;
    const digits = phoneDigits(typed);
    const spelling = digits === null
      ? plainAddress(typed)
      : digits.startsWith("+")
      ? this.#completeSpelling(digits)
      : this.#nationalSpelling(digits, countryOf(this.#countries.get(typed)));
    this.#spellings.set(typed, spelling);
    return spelling;
  }

  /** True when two spellings mean one address. */
  isSame(one: string, other: string): boolean {
    return this.spelling(one) === this.spelling(other);
  }

  #add(number: string): void {
    // To parse each number would take longer than all else; a trunk prefix among the digits is a 0.
    const plain = MAY_HAVE_TRUNK.test(number) ? parsePhoneNumberFromString(number)?.number ?? number : number;
    const [key, plainKey] = [keyOf(number), keyOf(plain)];
    if (this.#complete.has(key)) return;
    const known = this.#complete.get(plainKey);
    this.#complete.set(key, known ?? number);
    if (known !== undefined) return;
    this.#complete.set(plainKey, number);
    const ending = number.slice(-MIN_MATCHED_DIGITS);
    this.#byEnding.set(ending, [...this.#byEnding.get(ending) ?? [], number]);
  }

  /** What starts with a plus sign keeps its digits, unless chat.db spells the same number otherwise. */
  #completeSpelling(typed: string): string {
    const exact = this.#complete.get(keyOf(typed));
    if (exact !== undefined) return exact;
    const parsed = parsePhoneNumberFromString(typed);
    const number = parsed?.isValid() ? parsed.number : typed;
    const known = this.#known([number, parsed?.number ?? number]);
    if (known !== undefined) return known;
    const national = this.#national.filter((digits) =>
      parsed !== undefined && matchOf(digits, parsed) !== null
    );
    return national.length === 1 ? national[0] ?? number : number;
  }

  #nationalSpelling(digits: string, named: CountryCode | null): string {
    const countries = [...new Set([named, this.region])].filter((country) => country !== null);
    const completions = countries.map((country) => completionOf(digits, country)).filter((one) =>
      one !== null
    );
    const known = this.#known([
      ...completions.map(({ number }) => number),
      `+${digits.replace(EXIT_CODE, "")}`,
    ]);
    if (known !== undefined) return known;
    const mobile = completions.find(({ kind }) => kind === "mobile") ?? withoutPlus(digits, countries);
    if (digits.length <= MAX_SHORT_CODE) return mobile?.number ?? digits;
    return mobile?.number ?? this.#match(digits, "exact") ?? completions[0]?.number ??
      this.#match(digits, "digits") ?? digits;
  }

  /** The first of complete numbers that is known, in its spelling. */
  #known(numbers: readonly string[]): string | undefined {
    return numbers.map((number) => this.#complete.get(keyOf(number))).find((number) => number !== undefined);
  }

  /** The one known number with these significant digits; undefined for none, or several. */
  #match(digits: string, wanted: "exact" | "digits"): string | undefined {
    const found = (this.#byEnding.get(digits.slice(-MIN_MATCHED_DIGITS)) ?? []).filter((number) => {
      const parsed = parsePhoneNumberFromString(number);
      const match = parsed === undefined ? null : matchOf(digits, parsed);
      return match === "exact" || match === wanted;
    });
    return found.length === 1 ? found[0] : undefined;
  }
}

/** A mobile number that begins with 00 in place of its plus sign, or is of one of the countries and lacks it. */
function withoutPlus(digits: string, countries: readonly CountryCode[]): Completion | undefined {
  const parsed = parsePhoneNumberFromString(`+${digits.replace(/^00/, "")}`);
  if (!parsed?.isValid()) return undefined;
  const isMeant = digits.startsWith("00") || countries.some((country) => parsed.country === country);
  return isMeant ? { number: parsed.number, kind: "mobile" } : undefined;
}

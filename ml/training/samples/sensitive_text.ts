/**
 * Detects what must not be memorized: one-time codes, passwords, long numbers, e-mail and postal addresses.
 *
 * The patterns prefer to exclude a harmless message: there are enough others, and a model may write what it memorizes to
 * someone else.
 */

export const SENSITIVE_KINDS = [
  "one_time_code",
  "credential",
  "long_number",
  "email_address",
  "postal_address",
] as const;
export type SensitiveKind = typeof SENSITIVE_KINDS[number];

/** Words near which a short number is a secret. */
const CODE_WORDS =
  /\b(?:codes?|otp|2fa|pin|passcodes?|verif\w*|one[- ]time|combo|combination|code de|código|codice|zugangscode|tan)\b/iu;

/** Words near which any word is a secret: `the wifi password is …`. */
const CREDENTIAL =
  /\b(?:pass(?:word|wort|phrase|code)?|pwd|passwd|login|wi-?fi|contraseña|mot de passe|kennwort|secret|api[- ]?key|token|(?:seed|recovery|backup) phrase)\b\s*(?:is|are|was|:|=|->|'s|ist|es|est)\s*\S+/iu;

/** A reply to such a question contains the secret, or nothing worth learning. */
const CREDENTIAL_QUESTION =
  /\b(?:pass(?:word|wort|phrase|code)|pwd|passwd|contraseña|mot de passe|kennwort|api[- ]?key|(?:seed|recovery|backup) phrase)\b/iu;

/** Letters and digits mixed as in no word: keys, tokens, booking references. */
const MIXED_STRING =
  /(?<![\p{L}\p{N}])(?=[\p{L}\p{N}_-]{0,64}\d)(?=[\p{L}\p{N}_-]{0,64}\p{L})[\p{L}\p{N}]+(?:[_-][\p{L}\p{N}]+){0,16}(?![\p{L}\p{N}])/gu;
const LONGEST_MIXED = 8;

const EMAIL = /[\p{L}\p{N}._%+-]{1,64}\s?(?:@|\(at\)|\[at\])\s?[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/iu;

/** Digits in groups, as phone, card and account numbers are written. */
const DIGIT_GROUPS = /\+?\(?\d(?:[\s().\-\u2010-\u2015/]{0,2}\d)+/gu;
const LONG_NUMBER_DIGITS = 7;
/** This many digits in a row are a code anywhere; years, prices and times have fewer. */
const CODE_DIGITS = 6;
const TWO_GROUPS = /(?<![\d.,])\d{3}[\s-]\d{3}(?![\d.,])/u;
/** A message of nothing but a few digits answers a request for a code. */
const BARE_CODE = /^\W*(?:[a-z]-)?\d{2,4}[\s-]?\d{2,4}\W*$/iu;
const SHORT_NUMBER = /\d{3,}|\d(?:[\s-]\d){2,}/u;

const DATE_OR_TIME =
  /\b(?:(?:19|20)\d\d[./-](?:0?[1-9]|1[0-2])[./-](?:0?[1-9]|[12]\d|3[01])|(?:0?[1-9]|[12]\d|3[01])[./-](?:0?[1-9]|[12]\d|3[01])[./-](?:19|20)?\d\d|(?:[01]?\d|2[0-4])[:.][0-5]\d)(?![\d./-]*\d)/gu;

const DIGIT_WORD = "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)";
const SPELLED_NUMBER = new RegExp(`\\b${DIGIT_WORD}(?:[\\s,-]+${DIGIT_WORD}){3,}\\b`, "iu");

/** Words between a number and a street word in sentences that are not addresses. */
const NO_STREET_NAME =
  "on|my|the|a|an|in|at|of|by|to|your|his|her|our|their|this|that|one|any|no|some|more|times?|people|hours?|hrs?|minutes?|mins?|miles?|days?|weeks?|and|or|is|was|min|km|k|pm|am|from|for|it|i|you|we|they|other|different";
const STREET_NAME = `(?!(?:${NO_STREET_NAME})\\b)[\\p{L}'.-]+|\\d+(?:st|nd|rd|th)`;
const POSTAL = [
  new RegExp(
    `\\b\\d{1,5}[a-z]?,?\\s+(?:(?:${STREET_NAME})\\s+){1,3}(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|way|place|pl|blvd|boulevard|terrace|close|square|sq|crescent|highway|hwy|parkway|pkwy|row|hill|gardens)\\b`,
    "iu",
  ),
  /(?<![\p{L}])[\p{L}-]{0,40}(?:straße|strasse|str\.|gasse|allee|platz|straat|laan|plein|weg)\s+\d{1,4}\s?[a-z]?\b/iu,
  /\b\d{1,4},?\s+(?:bis\s+|ter\s+)?(?:rue|avenue|bd|boulevard|chemin|allée|impasse|quai)\s+\p{L}/iu,
  /\b(?:calle|via|avenida|plaza|piazza|rua|paseo)\s+(?:[\p{L}'.]+\s+){1,4}\d{1,4}\b/iu,
  /\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b/u,
  /\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]),?\s\d{5}(?:-\d{4})?\b/u,
  /\bp\.?\s?o\.?\s?box\s+\d/iu,
  /\b(?:apt|apartment|suite|unit|flat)\.?\s*#?\d+[a-z]?\b/iu,
];

function digitsOf(text: string): number {
  return text.match(/\d/gu)?.length ?? 0;
}

function isMixedSecret(word: string): boolean {
  const letters = word.replace(/[^\p{L}]/gu, "");
  const isHex = /^[\da-f-]+$/iu.test(word);
  return word.length > LONGEST_MIXED && digitsOf(word) >= 3 && (isHex || letters.length >= 3);
}

/** Replaces full-width and other digits by ASCII digits, so that the patterns match them. */
function plain(text: string): string {
  return text.normalize("NFKC").replace(/\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0;
    if (code < 0x80) return digit;
    // Decimal digits come in runs of ten that begin at their zero (Unicode, section 4.6).
    let zero = code;
    while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
    return String((code - zero) % 10);
  });
}

function hasLongNumber(text: string): boolean {
  const numbers = text.match(DIGIT_GROUPS) ?? [];
  return numbers.some((number) => digitsOf(number) >= LONG_NUMBER_DIGITS);
}

/**
 * The kind of sensitive content in a message, if any.
 *
 * @param options `question`: the message it answers; a number after "what's the code?" is one
 */
export function sensitiveKindOf(
  message: string,
  options: { question?: string } = {},
): SensitiveKind | undefined {
  const text = plain(message);
  const undated = text.replace(DATE_OR_TIME, " ");
  if (EMAIL.test(text)) return "email_address";
  if (POSTAL.some((pattern) => pattern.test(text))) return "postal_address";
  if (hasLongNumber(undated) || SPELLED_NUMBER.test(text)) return "long_number";
  const question = plain(options.question ?? "");
  if (CREDENTIAL.test(text) || CREDENTIAL_QUESTION.test(question)) return "credential";
  if ((text.match(MIXED_STRING) ?? []).some(isMixedSecret)) return "credential";
  const isAsked = CODE_WORDS.test(text) || CODE_WORDS.test(question);
  const isCode = new RegExp(`\\d{${CODE_DIGITS},}`, "u").test(undated) || TWO_GROUPS.test(text) ||
    (BARE_CODE.test(text) && digitsOf(undated) >= 4) || (isAsked && SHORT_NUMBER.test(undated));
  return isCode ? "one_time_code" : undefined;
}

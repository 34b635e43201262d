/**
 * Finds what a draft states and nothing in its prompt says: numbers, times, days, names and links that the model may have
 * made up. The prompt holds the conversation and the person's own examples, so what stands there is supported.
 *
 * It marks, and is not sure: a name that begins a sentence looks like any other word there, German writes every noun as
 * others write names, and scripts without capitals show no names. What is missed so is not marked.
 */

/** More would not be read. */
const MAX_MARKED = 20;
const MINUTES_OF_HALF_DAY = 720;

const LINK = /https?:\/\/\S+|[\p{L}\p{N}._-]+@[\p{L}\p{N}-]+\.[\p{L}\p{N}.-]+/gu;
/** A number with its separators, and what makes it a time: `7:30`, `19h`, `7.30 Uhr`, `8 pm`. */
const NUMBER = /(\d+(?:[.,:'h]\d+)*)\s?(?:(am|pm|a\.m\.|p\.m\.|uhr|h)(?![\p{L}\p{N}]))?/giu;
const WORD = /[\p{L}\p{M}]+(?:['’][\p{L}\p{M}]+)*/gu;
/** After these a capital says nothing. */
const SENTENCE_START = /(?:^|[.!?…:;\n\r"“”„«»()\p{Extended_Pictographic}\u{FE0F}-])\s*$/u;
/** Words of German that other languages do not have. */
const GERMAN =
  /(?<!\p{L})(?:ich|nicht|und|wir|auch|bin|noch|ist|das|dann|zum|zur|mit|für|heute|morgen)(?!\p{L})/giu;

/** Languages whose names of days and months are known; both as ICU writes them. */
const LANGUAGES = ["en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "pl", "cs", "ru", "uk", "tr"];
/** Names of months that are other words more often. */
const OTHER_WORDS = new Set(["may", "march", "mars", "mai", "maj", "ocak"]);
/** From two on: "one" is an article or a pronoun in most languages. */
const NUMBER_WORDS: readonly (readonly string[])[] = [
  ["two", "zwei", "deux", "dos", "due", "dois", "twee"],
  ["three", "drei", "trois", "tres", "tre", "três", "drie"],
  ["four", "vier", "quatre", "cuatro", "quattro", "quatro"],
  ["five", "fünf", "cinq", "cinco", "cinque", "vijf"],
  ["six", "sechs", "seis", "sei", "zes"],
  ["seven", "sieben", "sept", "siete", "sette", "sete", "zeven"],
  ["eight", "acht", "huit", "ocho", "otto", "oito"],
  ["nine", "neun", "neuf", "nueve", "nove", "negen"],
  ["ten", "zehn", "dix", "diez", "dieci", "dez", "tien"],
  ["eleven", "elf", "onze", "once", "undici"],
  ["twelve", "zwölf", "douze", "doce", "dodici", "doze", "twaalf"],
];
const VALUE_OF_WORD = new Map(
  NUMBER_WORDS.flatMap((words, index) => words.map((word) => [word, String(index + 2)] as const)),
);

function calendarWords(): Set<string> {
  const words = new Set<string>();
  for (const language of LANGUAGES) {
    const weekday = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" });
    const month = new Intl.DateTimeFormat(language, { month: "long", day: "numeric", timeZone: "UTC" });
    for (let day = 0; day < 7; day++) words.add(weekday.format(Date.UTC(2024, 0, 1 + day)).toLowerCase());
    for (let index = 0; index < 12; index++) {
      const parts = month.formatToParts(Date.UTC(2024, index, 1));
      words.add(parts.find(({ type }) => type === "month")?.value.toLowerCase() ?? "");
    }
  }
  return words.difference(OTHER_WORDS);
}

const CALENDAR = calendarWords();

/** The first digit of other scripts' digits: Arabic-Indic, extended Arabic-Indic, Devanagari, Bengali. */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6];

function plain(text: string): string {
  return text.normalize("NFKC").replace(/[٠-٩۰-۹०-९০-৯]/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0;
    const zero = ZEROS.findLast((start) => start <= code) ?? code;
    return String(code - zero);
  });
}

/** Minutes into a half day, so that 8 pm and 20:00 are one; undefined for what is no time of day. */
function halfDayMinutes(number: string): number | undefined {
  const [hours = NaN, minutes = 0, ...more] = number.split(/[.:h]/).map(Number);
  const isTime = more.length === 0 && hours <= 24 && minutes < 60;
  return isTime ? (hours * 60 + minutes) % MINUTES_OF_HALF_DAY : undefined;
}

/** The number without its separators: 1,000 and 1.000 are one. */
function digitsOf(number: string): string {
  return number.replace(/\D/g, "");
}

/** All that a text says which a draft may repeat. */
interface Support {
  text: string;
  words: ReadonlySet<string>;
  digits: ReadonlySet<string>;
  times: ReadonlySet<number | undefined>;
}

function supportOf(prompt: string): Support {
  const text = plain(prompt).toLowerCase();
  const words = new Set(Array.from(text.matchAll(WORD), ([word]) => word));
  const numbers = Array.from(text.matchAll(NUMBER), ([, number = ""]) => number);
  const spelled = [...words].flatMap((word) => VALUE_OF_WORD.get(word) ?? []);
  const all = [...numbers, ...spelled];
  return {
    text,
    words: new Set([...words].flatMap((word) => [word, word.replace(/['’].*$/u, "")])),
    digits: new Set(all.flatMap((number) => [digitsOf(number), ...number.split(/\D/)])),
    times: new Set(all.map(halfDayMinutes)),
  };
}

interface Mark {
  at: number;
  text: string;
}

function numbersIn(draft: string, { digits, times }: Support): Mark[] {
  return Array.from(draft.matchAll(NUMBER)).flatMap((match) => {
    const [whole, number = "", unit] = match;
    const isTime = unit !== undefined || /[:h]/.test(number);
    const minutes = halfDayMinutes(number);
    const isKnown = digits.has(digitsOf(number)) || (isTime && minutes !== undefined && times.has(minutes));
    return isKnown ? [] : [{ at: match.index, text: whole.trim() }];
  });
}

function isName(word: string, before: string): boolean {
  const isCapitalised = /^\p{Lu}/u.test(word) && /\p{Ll}/u.test(word);
  return isCapitalised && !/^I['’]/u.test(word) && !SENTENCE_START.test(before);
}

function wordsIn(draft: string, { words, digits }: Support): Mark[] {
  // In German a capital says only that it is a noun.
  const hasNames = (draft.match(GERMAN)?.length ?? 0) < 2;
  return Array.from(draft.matchAll(WORD)).flatMap((match) => {
    const [text] = match;
    const word = text.toLowerCase();
    const stem = word.replace(/['’].*$/u, "");
    if (words.has(word) || words.has(stem)) return [];
    const value = VALUE_OF_WORD.get(word);
    const isStated = value === undefined
      ? CALENDAR.has(stem) || hasNames && isName(text, draft.slice(0, match.index))
      : !digits.has(value);
    return isStated ? [{ at: match.index, text }] : [];
  });
}

/** The number, times, days, names and links of a draft that its prompt does not have, as the draft writes them, in its order. */
export function unsupportedIn(draft: string, prompt: string): string[] {
  const support = supportOf(prompt);
  const text = plain(draft);
  const links = Array.from(text.matchAll(LINK), (match) => ({ at: match.index, text: match[0] }));
  // The parts of a link are no facts of their own.
  const rest = text.replace(LINK, (link) => " ".repeat(link.length));
  const marks = [
    ...links.filter((link) => !support.text.includes(link.text.toLowerCase())),
    ...numbersIn(rest, support),
    ...wordsIn(rest, support),
  ].sort((a, b) => a.at - b.at);
  return [...new Set(marks.map((mark) => mark.text))].slice(0, MAX_MARKED);
}

// Tests of the one notion of the same address, with libphonenumber's example numbers of all countries.
import assert from "node:assert/strict";
import fc from "fast-check";
import { type CountryCode, getCountries, getExampleNumber } from "libphonenumber-js/mobile";
import examples from "libphonenumber-js/mobile/examples";
import { countryOfNumber, KnownAddresses, phoneDigits, plainAddress } from "./same_address.ts";

const EXAMPLES = getCountries().map((country) => {
  const number = getExampleNumber(country, examples);
  if (number === undefined) throw new Error(`There is no example number of ${country}`);
  return { country, number };
});
const NUMBERS = EXAMPLES.map(({ number }) => number.number as string);

/** How people, Contacts and Messages write a number that begins with a plus sign. */
const INTERNATIONAL: ((number: string) => string)[] = [
  (number) => number,
  (number) => `tel:${number}`,
  (number) => `\u202a${number}\u202c`,
  (number) => number.replace(/(\d{3})(?=\d)/g, "$1 "),
  (number) => number.replace(/(\d{3})(?=\d)/g, "$1\u2011"),
  (number) => `${number} ext 12`,
  (number) => number.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
  (number) => number.replaceAll(/\d/g, (digit) => String.fromCodePoint(0x660 + Number(digit))),
];

const NATIONAL: ((number: { formatNational(): string }) => string)[] = [
  (number) => number.formatNational(),
  (number) => number.formatNational().replaceAll(/\D/g, ""),
  (number) => `tel:${number.formatNational().replaceAll(/[\s()-]/g, ".")}`,
  (number) => `\u2068${number.formatNational().replaceAll(" ", "\u00a0").replaceAll("-", "\u2013")}\u2069`,
];

Deno.test("a number with its country code keeps it in any spelling, whatever the region and whether it is known or not", () => {
  const any = fc.record({
    example: fc.constantFrom(...EXAMPLES),
    spell: fc.constantFrom(...INTERNATIONAL),
    region: fc.option(fc.constantFrom(...getCountries())),
    isKnown: fc.boolean(),
  });
  fc.assert(
    fc.property(any, ({ example: { number }, spell, region, isKnown }) => {
      const known = new KnownAddresses(isKnown ? [{ id: number.number, country: null }] : [], { region });
      assert.equal(known.spelling(spell(number.number)), number.number);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a number as people write it in its own country is completed there, whatever other numbers are known", () => {
  const others = NUMBERS.map((id) => ({ id, country: null }));
  for (const { country, number } of EXAMPLES) {
    for (const spell of NATIONAL) {
      for (const handles of [[], others]) {
        const known = new KnownAddresses(handles, { region: country });
        assert.equal(known.spelling(spell(number)), number.number, `${country} ${spell(number)}`);
      }
    }
  }
});

Deno.test("chat.db's country completes a handle, whatever the region, and its known number is found without any", () => {
  for (const { country, number } of EXAMPLES) {
    const handle = { id: number.nationalNumber, country: country.toLowerCase() };
    const full = { id: number.number as string, country: null };
    const both = new KnownAddresses([handle, full], { region: country === "US" ? "DE" : "US" });
    assert.equal(both.spelling(handle.id), number.number, country);
    const alone = new KnownAddresses([full], { region: null });
    const typed = number.formatNational();
    // Fewer than seven digits are a short code as well as a number of a small island.
    const isLong = number.nationalNumber.length >= 7;
    assert.equal(alone.spelling(typed), isLong ? number.number : phoneDigits(typed), country);
  }
});

Deno.test("no number is made up: without a country and a known number digits stay as they were typed", () => {
  const none = new KnownAddresses();
  for (const { number, country } of EXAMPLES) {
    for (const spell of NATIONAL) {
      assert.equal(none.spelling(spell(number)), phoneDigits(spell(number)), country);
    }
  }
  const american = new KnownAddresses([], { region: "US" });
  assert.equal(american.spelling("06 39 98 00 01"), "0639980001");
  assert.equal(american.spelling("0171 1234567"), "01711234567");
});

Deno.test("two different numbers never become one, in any region", () => {
  const regions: (CountryCode | null)[] = [null, "US", "DE", "FR", "GB", "IT", "MX", "RU", "CN", "AR", "BR"];
  for (const region of regions) {
    const known = new KnownAddresses(NUMBERS.map((id) => ({ id, country: "us" })), { region });
    assert.equal(
      new Set(NUMBERS.map((number) => known.spelling(number))).size,
      new Set(NUMBERS).size,
      String(region),
    );
  }
  const known = new KnownAddresses([{ id: "+445550306001", country: "gb" }], { region: "US" });
  assert.equal(known.spelling("(555) 030-6001"), "+15550306001", "the same digits in another country");
  const two = new KnownAddresses([{ id: "+445550306001", country: null }, {
    id: "+15550306001",
    country: null,
  }]);
  assert.equal(two.spelling("5550306001"), "+15550306001", "as it is written in one of the two");
  const unclear = new KnownAddresses([{ id: "+33612345678", country: null }, {
    id: "+31612345678",
    country: null,
  }]);
  assert.equal(unclear.spelling("0612345678"), "0612345678", "both countries write it like that");
});

const SAME: [what: string, region: string | null, spellings: string[]][] = [
  ["a handle with, without and with half a country code", null, [
    "+15550306001",
    "5550306001",
    "15550306001",
  ]],
  ["what people type", null, [
    "+15550407001",
    "+1 (555) 040-7001",
    "5550407001",
    "tel:+1-555-040-7001",
    "(555) 040-7001",
    "1.555.040.7001",
  ]],
  ["a German mobile number", null, [
    "+491711234567",
    "0171 1234567",
    "0049 171 1234567",
    "+49 (0)171 1234567",
    "+49 171/1234567",
  ]],
  ["a German mobile number on an American Mac", "US", [
    "+491711234567",
    "0171 1234567",
    "011 49 171 1234567",
  ]],
  ["a French number on a German Mac", "DE", ["+33639980001", "06 39 98 00 01", "06.39.98.00.01"]],
  ["a Mexican mobile number", "MX", [
    "+5215512345678",
    "+52 1 55 1234 5678",
    "+52 55 1234 5678",
    "55 1234 5678",
  ]],
  ["a Mexican mobile number elsewhere", "US", ["+5215512345678", "+52 1 55 1234 5678"]],
  ["a Mexican mobile number without a known country", null, [
    "+5215512345678",
    "+525512345678",
    "55 1234 5678",
    "044 55 1234 5678",
  ]],
  ["a Mexican mobile number as it was dialled", "MX", [
    "+525512345678",
    "045 55 1234 5678",
    "01 55 1234 5678",
  ]],
  ["an Argentine mobile number", "AR", [
    "+5491123456789",
    "+54 11 2345-6789",
    "11 2345-6789",
    "011 15 2345-6789",
    "+54 11 15 2345-6789",
    "+54 9 11 2345-6789",
  ]],
  ["an Argentine mobile number elsewhere, as its texts come", "US", [
    "+541123456789",
    "+54 9 11 2345-6789",
    "+54 11 15 2345-6789",
  ]],
  ["an Argentine mobile number without a known country", null, [
    "+541123456789",
    "11 2345 6789",
    "9 11 2345 6789",
    "011 15 2345-6789",
  ]],
  ["a Brazilian mobile number", "BR", [
    "+5511987654321",
    "+55 11 8765-4321",
    "(11) 98765-4321",
    "(11) 8765-4321",
    "0 15 11 98765-4321",
    "(0xx11) 98765-4321",
  ]],
  ["a Brazilian mobile number of eight digits", null, [
    "+551187654321",
    "+55 (11) 98765-4321",
    "11 8765-4321",
    "11 98765-4321",
  ]],
  ["a number of Benin", "BJ", ["+2290197123456", "+229 97 12 34 56", "97 12 34 56"]],
  ["a number of Côte d’Ivoire", "CI", ["+2250707123456", "+225 07 12 34 56", "07 12 34 56"]],
  ["an Israeli number", null, [
    "+972501234567",
    "+972 (0)50-123-4567",
    "+972-(0)50-123-4567",
    "+972 050 123 4567",
  ]],
  ["a Korean number that Messages has with its 0", "KR", [
    "+8201012345678",
    "+82 10-1234-5678",
    "010-1234-5678",
    "+82 (0)10-1234-5678",
  ]],
  ["a German number with more around it", null, [
    "+491711234567",
    "(+49) 171 1234567",
    "+(49) 171 1234567",
    "☎ +49 171 1234567",
    "+49 171 1234567 (mobil)",
    "+49-171-1234567 privat",
    "Mobil: +49 171 1234567",
    "011 49 171 1234567",
  ]],
  ["a Russian number", "RU", ["+79123456789", "8 912 345-67-89", "79123456789"]],
  ["an e-mail address", null, [
    "ada@example.com",
    "Ada@Example.COM",
    "mailto:ada@example.com",
    " ada@example.com ",
  ]],
  ["a filtered sender", null, ["+15550306001", "+15550306001(smsfp)"]],
];

for (const [what, region, spellings] of SAME) {
  Deno.test(`one address in all its spellings: ${what}`, () => {
    const [first = "", ...others] = spellings;
    const known = new KnownAddresses([{ id: first, country: null }], { region });
    for (const other of others) assert.equal(known.spelling(other), known.spelling(first), other);
  });
}

Deno.test("numbers that only resemble an older form of another stay numbers of their own", () => {
  const numbers = [
    ["+5511977654321", "+551177654321", "a Brazilian mobile number, and a radio's of eight digits"],
    ["+5511934567890", "+551134567890", "a Brazilian mobile number, and one of a house"],
    ["+5491123456789", "+5491123456780", "two of Buenos Aires"],
    ["+2250707123456", "+2250507123456", "two companies of Côte d’Ivoire"],
    ["+2250101123456", "+22507123456", "a new number, and the old one of another company"],
    ["+5215512345678", "+523312345678", "two of Mexico"],
  ];
  for (const [one = "", other = "", what = ""] of numbers) {
    const handles = [one, other].map((id) => ({ id, country: null }));
    for (const region of [null, "BR", "AR", "MX", "CI"]) {
      assert.equal(new KnownAddresses(handles, { region }).isSame(one, other), false, what);
      assert.equal(new KnownAddresses(handles.slice(0, 1), { region }).isSame(one, other), false, what);
    }
  }
});

Deno.test("a Mexican number keeps its digits, and has the spelling of chat.db where that is another", () => {
  assert.equal(new KnownAddresses([], { region: "US" }).spelling("+52 1 55 1234 5678"), "+5215512345678");
  const known = new KnownAddresses([{ id: "+525512345678", country: "mx" }]);
  assert.equal(known.spelling("+52 1 55 1234 5678"), "+525512345678");
});

Deno.test("a number that only chat.db's own incomplete spelling has is found by its digits", () => {
  const known = new KnownAddresses([{ id: "5550306001", country: null }]);
  assert.equal(known.spelling("+1 (555) 030-6001"), "5550306001");
  assert.equal(known.spelling("+1 (555) 030-6002"), "+15550306002");
});

Deno.test("short codes, senders' names and businesses are as they are", () => {
  const known = new KnownAddresses([{ id: "+15550262966", country: "us" }], { region: "US" });
  for (const address of ["262966", "AMAZON", "DHL-Info", "urn:biz:1b2c", "chat123456789", ""]) {
    assert.equal(known.spelling(address), address);
  }
  for (const address of ["50 Cent", "Info: 24", "24 Info", "112 India"]) {
    assert.equal(known.spelling(address), address);
  }
  assert.equal(plainAddress("26 29 66"), "26 29 66");
  assert.equal(known.spelling("262-966"), "262966");
});

Deno.test("the country of a number is known by its beginning", () => {
  assert.deepEqual(["+491711234567", "+15550306001", "+33639980001", "0171", "+999"].map(countryOfNumber), [
    "DE",
    "US",
    "FR",
    null,
    null,
  ]);
});

/** Tests the search in messages. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { StoreTests, TestDatabase } from "../../support/postgres/postgres.ts";
import { batch, message, minutesOn, paired } from "../../support/server/store_rows.ts";
import { createMessageSearch, type SearchBounds } from "../../../server/store/messages/message_search.ts";
import { searchKeysOf } from "../../../server/store/messages/search_keys.ts";
import type { Stores } from "../../../server/store/store.ts";

const LIMIT = 1000;

/** An account with these texts, a minute apart; each is the guid of its message. */
async function texts(stores: Stores, lines: readonly string[]) {
  const origin = await paired(stores);
  const sent = lines.map((text, minute) => message(text, { minute, text }));
  const { conversationId } = await stores.ingest.ingestMessages(origin, batch(sent));
  return { ...origin, conversationId };
}

/** The guids of what is found, in order. */
async function found({ search }: Stores, accountId: string, ...words: string[]): Promise<string[]> {
  const { rows, total } = await search.find(accountId, { words, limit: LIMIT, page: 1, pageSize: 100 });
  assert.equal(rows.length, total);
  return rows.map(({ imessageGuid }) => imessageGuid);
}

/** By the words: of these texts, what they find, the best first. */
const FINDS: Record<string, readonly [words: string[], texts: string[], expected: string[]]> = {
  "German, with umlauts in both cases and inside compounds": [
    ["ärzte"],
    ["ÄRZTE streiken", "Der Zahnärztetag", "Arzt"],
    ["ÄRZTE streiken", "Der Zahnärztetag"],
  ],
  "one Chinese sign": [["面"], ["我们明天见面吧", "见"], ["我们明天见面吧"]],
  "Chinese words in a text without spaces": [["见面"], ["我们明天见面吧", "见到你的面", "见面"], [
    "见面",
    "我们明天见面吧",
  ]],
  "one Chinese sign beside Latin letters": [["医b"], ["牙医Bob", "牙医 Bob"], ["牙医Bob"]],
  "Japanese and Korean": [["です"], ["元気ですか", "でも"], ["元気ですか"]],
  "emoji, also those of several code points": [["👩‍👧"], ["schön 👩‍👧!", "👩 👧", "❤️"], ["schön 👩‍👧!"]],
  "all words, in any order": [["seven", "dinner"], ["Dinner at seven", "seven", "dinner"], [
    "Dinner at seven",
  ]],
  "a whole word before a part of one, newest first where equal": [
    ["feier"],
    ["Feier am Montag", "Geburtstagsfeier", "Feier am Freitag"],
    ["Feier am Freitag", "Feier am Montag", "Geburtstagsfeier"],
  ],
  "one letter": [["x"], ["a x b", "abc"], ["a x b"]],
};

/** What means something to LIKE, to tsquery or to a regular expression finds itself alone. */
const LITERALS = ["%", "_", "\\", "'", '"', "&", "|", "!", "(", ":*", "<->", ".*", "$1", "--", "\u0001"];

const BOUNDS: SearchBounds = { recent: 10, frequent: 2, candidates: 50, newest: 60 };
/** The oldest first. */
const MANY = Array.from(
  { length: 100 },
  (_, n) => n === 7 ? `needle ${n}` : `${n % 2 ? "odd" : "even"} ${n}`,
);

/** What is found in {@linkcode MANY}, and of how many of the newest messages where that is not of all. */
const BOUNDED: Record<
  string,
  {
    bounds?: Partial<SearchBounds>;
    words: string[];
    expected: { texts: string[]; searchedNewest?: number };
  }
> = {
  "a word that is in many comes from the newest": {
    words: ["even"],
    expected: { texts: ["even 98", "even 96", "even 94", "even 92", "even 90"] },
  },
  "a word that is in few comes from the index": { words: ["needle"], expected: { texts: ["needle 7"] } },
  "two words that are in many and never together are in none": {
    words: ["even", "odd"],
    expected: { texts: [] },
  },
  "what the index cannot bound is looked for in the newest, and that is said": {
    bounds: { candidates: 20 },
    words: ["even", "9", "1"],
    expected: { texts: [], searchedNewest: 60 },
  },
  "so are words too short for the index": {
    words: ["7", "n"],
    expected: { texts: ["even 78", "even 76", "even 74", "even 72", "even 70"] },
  },
  "and those that no message of the newest has": {
    words: ["l"],
    expected: { texts: [], searchedNewest: 60 },
  },
  "all are looked through where there are no more": {
    bounds: { newest: 100 },
    words: ["l"],
    expected: { texts: ["needle 7"] },
  },
};

export const searchTests: StoreTests = {
  ...Object.fromEntries(
    Object.entries(FINDS).map(([name, [words, lines, expected]]) => [
      `the search finds ${name}`,
      async ({ stores }: TestDatabase) => {
        const { accountId } = await texts(stores, lines);
        assert.deepEqual(await found(stores, accountId, ...words), expected);
      },
    ]),
  ),

  "the search takes signs of pattern languages for themselves": async ({ stores }) => {
    const { accountId } = await texts(stores, ["nothing special", ...LITERALS.map((sign) => `a ${sign} b`)]);
    for (const sign of LITERALS) assert.deepEqual(await found(stores, accountId, sign), [`a ${sign} b`]);
    assert.deepEqual(await found(stores, accountId, "n_thing"), []);
    assert.deepEqual(await found(stores, accountId, "no%al"), []);
  },

  "the search does not take the words that the index has for signs for text": async ({ stores }) => {
    const { accountId } = await texts(stores, ["见面", "👍"]);
    for (const letter of "0123456789abcdefghijklmnopqrstuvwxyz") {
      assert.deepEqual(await found(stores, accountId, letter), [], letter);
      assert.deepEqual(await found(stores, accountId, letter.toUpperCase()), [], letter);
    }
  },

  "the search finds edited messages by their new words, and none that was deleted or unsent": async (
    { stores },
  ) => {
    const origin = await texts(stores, ["first word", "second word", "third word"]);
    const { accountId } = origin;
    assert.equal((await found(stores, accountId, "word")).length, 3);
    const at = minutesOn(9).toISOString();
    await stores.ingest.ingestMessages(
      origin,
      batch([
        message("first word", { text: "changed to 晚饭", editedAt: at }),
        message("second word", { minute: 1, text: "second word", retractedAt: at }),
      ]),
    );
    assert.deepEqual(await found(stores, accountId, "word"), ["third word"]);
    assert.deepEqual(await found(stores, accountId, "晚饭"), ["first word"]);
    await stores.ingest.deleteMessages(origin, ["third word"]);
    assert.deepEqual(await found(stores, accountId, "word"), []);
  },

  "the search stays within the account and the conversation": async ({ stores }) => {
    const mine = await texts(stores, ["mine here"]);
    const theirs = await texts(stores, ["theirs here"]);
    const group = { conversationImessageId: "group", isGroup: true };
    await stores.ingest.ingestMessages(mine, batch([message("group", { text: "here too" })], group));
    assert.deepEqual(new Set(await found(stores, mine.accountId, "here")), new Set(["mine here", "group"]));
    assert.deepEqual(await found(stores, theirs.accountId, "here"), ["theirs here"]);
    const within = async (accountId: string, conversationId: string) => {
      const request = { words: ["here"], conversationId, limit: LIMIT, page: 1, pageSize: 10 };
      return (await stores.search.find(accountId, request)).rows.map(({ imessageGuid }) => imessageGuid);
    };
    assert.deepEqual(await within(mine.accountId, mine.conversationId), ["mine here"]);
    assert.deepEqual(await within(mine.accountId, theirs.conversationId), []);
  },

  "the search's pages hold each result once, of no more than the newest that it may look at": async (
    { stores },
  ) => {
    const { accountId } = await texts(stores, Array.from({ length: 25 }, (_, n) => `number ${n}`));
    const page = (number: number) =>
      stores.search.find(accountId, { words: ["number"], limit: 20, page: number, pageSize: 8 });
    const pages = await Promise.all([1, 2, 3, 4].map(page));
    assert.deepEqual(pages.map(({ total }) => total), [20, 20, 20, 20]);
    assert.deepEqual(pages.map(({ rows }) => rows.length), [8, 8, 4, 0]);
    const newest = Array.from({ length: 20 }, (_, n) => `number ${24 - n}`);
    assert.deepEqual(pages.flatMap(({ rows }) => rows.map((row) => row.imessageGuid)), newest);
  },

  "the search's index answers for words, parts of them and signs of scripts without spaces": async (
    { database, stores },
  ) => {
    await texts(stores, ["Zahnarzttermin 见面 😀"]);
    await database.transaction(async ({ sql }) => {
      // Of so few rows a scan would be cheaper.
      await sql.script("set local enable_seqscan = off; set local enable_indexscan = off");
      for (const word of ["arztterm", "见面", "见", "😀"]) {
        const keys = searchKeysOf(word) ?? [];
        assert.ok(keys.length > 0, word);
        const plan = await sql.script<{ "QUERY PLAN": string }>(
          `explain select id from messages where search_keys @> '{${keys}}'`,
        );
        assert.match(plan.map((line) => line["QUERY PLAN"]).join("\n"), /messages_search/);
      }
    });
  },

  "the database makes the same keys of a text as the server": async ({ database: { sql } }) => {
    const alphabet = "aAbz ÄäßéЖжΣσ 09.,'\t\n\u00a0…见面です한국👍🏽👩‍👧❤️∀";
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 40 }), async (text) => {
        const [row] = await sql<{ keys: number[] | null }>`select search_keys(${text}) as keys`;
        assert.deepEqual(searchKeysOf(text)?.sort() ?? null, row?.keys?.sort() ?? null);
      }),
      { numRuns: 300 },
    );
  },

  ...Object.fromEntries(
    Object.entries(BOUNDED).map(([name, { bounds, words, expected }]) => [
      `the search with the bounds of a large account: ${name}`,
      async ({ database, stores }: TestDatabase) => {
        const { accountId } = await texts(stores, MANY);
        const search = createMessageSearch(database, { ...BOUNDS, ...bounds });
        const { rows, ...found } = await search.find(accountId, { words, limit: 5, page: 1, pageSize: 10 });
        assert.deepEqual(
          { texts: rows.map((row) => row.text), searchedNewest: found.searchedNewest },
          { searchedNewest: undefined, ...expected },
        );
      },
    ]),
  ),
};

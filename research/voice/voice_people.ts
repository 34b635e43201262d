/** Who is measured and who is learned from: people of the corpus whom no other bench uses, and everybody else. */
import type { Corpus } from "../../demo/corpus.ts";
import {
  choosePeople,
  type PersonReplies,
  repliesByPerson,
  type ReplySample,
} from "../style/corpus_people.ts";
import { PEOPLE as STYLE_PEOPLE } from "../style/measure_people.ts";

/** Replies of each measured person: earlier ones to learn from, and of later conversations. */
const ENOUGH = { train: 200, heldOut: 60 };
const MEASURED = 10;
/** Of each person of the pool, so that nobody's voice prevails. */
const POOLED_OF_EACH = 5;
const LEAST_OF_EACH = 8;
/** Every so many people of the pool are only measured with. */
const HELD_OUT_PEOPLE = 20;
const HELD_OUT_OF_EACH = 6;

/** The people of the protocol. */
export interface VoicePeople {
  /** Whose drafts and losses are reported. */
  measured: PersonReplies[];
  /** On whom settings are chosen: none of the measured. */
  development: PersonReplies[];
  /** All who wrote enough, among whom bundles of drafts are given to their writers. */
  others: PersonReplies[];
  pool: Pool;
}

/** Replies of many others; nobody who wrote enough to be measured took part in their conversations. */
export interface Pool {
  train: ReplySample[];
  /** Of people of whom nothing is in `train`; sampling is chosen on them. */
  heldOut: ReplySample[];
  /** By whom each of `heldOut` is, as a number. */
  writers: number[];
  /** How many people `train` is of. */
  people: number;
}

/** Everybody who wrote enough, from the most formal to the least. */
function writers(corpus: Corpus): PersonReplies[] {
  return choosePeople(corpus, { people: Object.keys(corpus).length, ...ENOUGH });
}

function evenly<Item>(items: readonly Item[], count: number): Item[] {
  const step = (items.length - 1) / Math.max(1, count - 1);
  return [...new Set(Array.from({ length: count }, (_, index) => items[Math.round(index * step)]))]
    .filter((item) => item !== undefined);
}

/** The corpus without every conversation of some people. */
function without(corpus: Corpus, ids: ReadonlySet<string>): Corpus {
  return Object.fromEntries(
    Object.entries(corpus).filter(([, { messages }]) =>
      messages.flat().every(({ sender }) => !ids.has(sender.slice(0, 8)))
    ),
  );
}

/** The pool: the same replies each time, since people are taken in the order of their ids. */
function poolOf(corpus: Corpus): Pool {
  const people = [...repliesByPerson(corpus)]
    .map(([id, conversations]) => ({ id, replies: conversations.flat() }))
    .filter(({ replies }) => replies.length >= LEAST_OF_EACH)
    .toSorted((a, b) => a.id < b.id ? -1 : 1);
  const isHeldOut = (index: number) => index % HELD_OUT_PEOPLE === 0;
  const trained = people.filter((_, index) => !isHeldOut(index));
  const heldOut = people.filter((_, index) => isHeldOut(index))
    .map(({ replies }) => replies.slice(0, HELD_OUT_OF_EACH));
  return {
    train: trained.flatMap(({ replies }) => replies.slice(0, POOLED_OF_EACH)),
    heldOut: heldOut.flat(),
    writers: heldOut.flatMap((replies, index) => replies.map(() => index)),
    people: trained.length,
  };
}

/** Chooses them all by fixed rules. */
export function voicePeople(corpus: Corpus): VoicePeople {
  const all = writers(corpus);
  const development = choosePeople(corpus, STYLE_PEOPLE);
  const used = new Set(development.map(({ id }) => id));
  const unused = all.filter(({ id }) => !used.has(id));
  return {
    measured: evenly(unused, MEASURED),
    development,
    others: all,
    pool: poolOf(without(corpus, new Set(all.map(({ id }) => id)))),
  };
}

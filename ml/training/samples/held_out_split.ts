/** Owns which samples are held out: decided by content, so that it stays when others are added, and nothing leaks. */
import { contentHash, hashShare, normalised } from "./sample_text.ts";

/** A sample as far as the division looks at it. */
export interface Divisible {
  input: string;
  output: string;
  /** Decided by the caller. */
  heldOut?: boolean;
}

export interface Division<Sample> {
  train: Sample[];
  heldOut: Sample[];
  /** Of the training side, left out since they ask or answer what a held-out sample does. */
  twins: Sample[];
}

export interface DivisionOptions {
  /** Share to be held out. */
  share: number;
  /** The most samples to be held out. */
  most: number;
}

/** Replies of fewer words are everybody's ("ok", "on my way"): having been trained on them gives nothing away. */
const TELLING_WORDS = 4;

/** Samples with one key stand on one side: all with one reply, where it is long enough to be somebody's own. */
function keyOf({ input, output }: Divisible): string {
  const reply = normalised(output);
  const isTelling = reply.split(" ").length >= TELLING_WORDS;
  return contentHash(isTelling ? [reply] : [reply, normalised(input)]);
}

/** The place up to which hashes are held out: the share, or less where that would be more than `most` samples. */
function borderOf(places: readonly number[], { share, most }: DivisionOptions): number {
  const ordered = places.toSorted((a, b) => a - b);
  const beyond = ordered[Math.min(most, ordered.length - 1)] ?? 1;
  // Of few samples none may lie below the share: then the first of them is held out.
  const first = ordered.find((place) => place > (ordered[0] ?? 0)) ?? 1;
  return Math.max(Math.min(share, beyond), Math.min(first, beyond));
}

/** Divides samples. Those that say on which side they stand do so; the others follow their content. */
export function divideSamples<Sample extends Divisible>(
  samples: readonly Sample[],
  options: DivisionOptions,
): Division<Sample> {
  const open = samples.filter(({ heldOut }) => heldOut === undefined);
  const places = new Map(open.map((sample) => [sample, hashShare(keyOf(sample))]));
  const isDecided = open.length < samples.length && samples.some(({ heldOut }) => heldOut);
  const border = isDecided ? 0 : borderOf([...places.values()], options);
  const isHeldOut = (sample: Sample) => sample.heldOut ?? (places.get(sample) ?? 1) < border;
  const heldOut = samples.filter(isHeldOut);
  const prompts = new Set(heldOut.map(({ input }) => normalised(input)));
  const replies = new Set(
    heldOut.map(({ output }) => normalised(output)).filter((reply) =>
      reply.split(" ").length >= TELLING_WORDS
    ),
  );
  const rest = samples.filter((sample) => !isHeldOut(sample));
  const isTwin = ({ input, output, heldOut }: Sample) =>
    heldOut === undefined && (prompts.has(normalised(input)) || replies.has(normalised(output)));
  return {
    heldOut,
    train: rest.filter((sample) => !isTwin(sample)),
    twins: rest.filter(isTwin),
  };
}

/** Splits samples into trained and held-out ones by content, so that the split is stable and nothing leaks. */
import { normalised } from "../../../lib/bm25.ts";
import { contentHash, hashShare } from "./sample_text.ts";

/** What the split needs to know about a sample. */
export interface Splittable {
  input: string;
  output: string;
  /** Set by the caller to force a side. */
  heldOut?: boolean;
}

export interface SampleSplit<Sample> {
  train: Sample[];
  heldOut: Sample[];
  /** Excluded from training because they repeat a held-out sample's prompt or reply. */
  twins: Sample[];
}

export interface SplitOptions {
  /** Share of samples to hold out. */
  share: number;
  /** The most samples to hold out. */
  most: number;
}

/** With fewer held-out replies nobody can tell whether an adapter is better. */
export const MIN_HELD_OUT = 30;
/** For that many, at most this share is held out: the rest is to learn from. */
const MAX_SHARE = 0.25;

/** Shorter replies ("ok", "on my way") are common to everyone: having trained on them leaks nothing. */
const MIN_DISTINCTIVE_WORDS = 4;

/** Samples with the same key stay on the same side: those with the same reply, if it is long enough to be distinctive. */
function keyOf({ input, output }: Splittable): string {
  const reply = normalised(output);
  const isDistinctive = reply.split(" ").length >= MIN_DISTINCTIVE_WORDS;
  return contentHash(isDistinctive ? [reply] : [reply, normalised(input)]);
}

/** The hash value below which samples are held out: the share, more to reach {@linkcode MIN_HELD_OUT}, at most `most` samples. */
function thresholdOf(places: readonly number[], { share, most }: SplitOptions): number {
  const ordered = places.toSorted((a, b) => a - b);
  const beyond = ordered[Math.min(most, ordered.length - 1)] ?? 1;
  // With few samples none may fall below the share: then the first one is held out.
  const first = ordered.find((place) => place > (ordered[0] ?? 0)) ?? 1;
  const isEnough = MIN_HELD_OUT <= MAX_SHARE * ordered.length;
  const least = isEnough ? ordered[MIN_HELD_OUT] ?? first : first;
  return Math.min(Math.max(share, least), beyond);
}

/** Splits samples: by `heldOut` where it is set, otherwise by content. */
export function splitSamples<Sample extends Splittable>(
  samples: readonly Sample[],
  options: SplitOptions,
): SampleSplit<Sample> {
  const open = samples.filter(({ heldOut }) => heldOut === undefined);
  const places = new Map(open.map((sample) => [sample, hashShare(keyOf(sample))]));
  const isDecided = open.length < samples.length && samples.some(({ heldOut }) => heldOut);
  const threshold = isDecided ? 0 : thresholdOf([...places.values()], options);
  const isHeldOut = (sample: Sample) => sample.heldOut ?? (places.get(sample) ?? 1) < threshold;
  const heldOut = samples.filter(isHeldOut);
  const prompts = new Set(heldOut.map(({ input }) => normalised(input)));
  const replies = new Set(
    heldOut.map(({ output }) => normalised(output)).filter((reply) =>
      reply.split(" ").length >= MIN_DISTINCTIVE_WORDS
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

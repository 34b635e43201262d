/** Prepares a job's samples for the trainer: selected, tokenized as a draft's prompt is, and split. */
import type { SampleTokenizer } from "../../engine/llama/sample_tokenizer.ts";
import type { TokenSample } from "../trainer.ts";
import { EXAMPLES, promptWithExamples, SimilarExchanges } from "../../../lib/similar_exchanges.ts";
import { splitSamples } from "./held_out_split.ts";
import {
  ExclusionCount,
  selectSamples,
  type SourceSample,
  type YieldToEventLoop,
} from "./sample_selection.ts";
import { contentHash } from "./sample_text.ts";
import { TrainingError } from "../training_error.ts";

/** A sample to train on. */
export interface PreparedSample extends TokenSample {
  weight: number;
  /** The rejected draft as tokens; for `dpo` only. */
  rejected?: readonly number[];
}

/** A held-out sample with two prompts. */
export interface HeldOutSample {
  /** The caller's name for it. */
  id?: string;
  plain: TokenSample;
  /** Preceded by the most similar exchanges of the training samples. */
  withExamples: TokenSample;
  conversation?: string;
}

export interface PreparedSamples {
  train: PreparedSample[];
  heldOut: HeldOutSample[];
  excluded: Readonly<Record<string, number>>;
  /** SHA-256 of the training samples' texts and weights, in hex. */
  samplesHash: string;
  /** Tokens of the longest sample, prompt and reply together. */
  longestSample: number;
}

export interface PrepareOptions {
  tokenizer: SampleTokenizer;
  method: "sft" | "dpo";
  /** Longer prompts are cut; samples with a longer reply are excluded. */
  maxSampleTokens: number;
  heldOutShare: number;
  maxHeldOut: number;
  yieldToEventLoop: YieldToEventLoop;
}

interface Tokenized extends SourceSample {
  tokens: PreparedSample;
}

function tokenized(sample: SourceSample, options: PrepareOptions): Tokenized | undefined {
  const { tokenizer, method, maxSampleTokens: maxTokens } = options;
  const tokens = tokenizer.tokenize(sample, { maxTokens });
  if (tokens === null) return undefined;
  const weighted = { ...tokens, weight: sample.quality };
  if (method === "sft") return { ...sample, tokens: weighted };
  const rejected = tokenizer.tokenize({ input: sample.input, output: sample.rejected ?? "" }, { maxTokens });
  // Both drafts answer the same prompt: the shorter of the two cut prompts fits both.
  if (rejected === null) return undefined;
  const prompt = tokens.prompt.length < rejected.prompt.length ? tokens.prompt : rejected.prompt;
  return { ...sample, tokens: { ...weighted, prompt, rejected: rejected.reply } };
}

async function tokenizeAll(
  samples: readonly SourceSample[],
  options: PrepareOptions & { exclusions: ExclusionCount },
): Promise<Tokenized[]> {
  const fitting: Tokenized[] = [];
  for (const sample of samples) {
    await options.yieldToEventLoop();
    const fit = tokenized(sample, options);
    if (fit === undefined) options.exclusions.add("reply_too_long");
    else fitting.push(fit);
  }
  return fitting;
}

/** Adds examples to each prompt; the least similar are dropped first when they do not fit. */
async function withExamples(
  heldOut: readonly Tokenized[],
  train: readonly Tokenized[],
  options: PrepareOptions,
): Promise<HeldOutSample[]> {
  const similar = new SimilarExchanges(train);
  const samples: HeldOutSample[] = [];
  for (const { id, input, output, conversation, tokens: { prompt, reply } } of heldOut) {
    await options.yieldToEventLoop();
    const plain = { prompt, reply };
    const asked = promptWithExamples(input, similar.find(input, { count: EXAMPLES }));
    const shown = options.tokenizer.tokenize({ input: asked, output }, {
      maxTokens: options.maxSampleTokens,
    });
    samples.push({ id, plain, withExamples: shown ?? plain, conversation });
  }
  return samples;
}

function tooFew(given: number, parts: { usable: number; exclusions: ExclusionCount }): TrainingError {
  const reasons = Object.entries(parts.exclusions.counts).map(([reason, count]) => `${count} ${reason}`);
  const leftOut = reasons.length > 0 ? `; left out: ${reasons.join(", ")}` : "";
  return new TrainingError(
    "too_few_samples",
    `Training needs at least 2 different samples, one to learn from and one to measure with: of ${given} given ` +
      `${parts.usable} can be used${leftOut}`,
  );
}

function lengthOf({ prompt, reply }: TokenSample): number {
  return prompt.length + reply.length;
}

/**
 * Prepares a job's samples.
 *
 * @throws TrainingError `too_few_samples`; what `yieldToEventLoop` throws
 */
export async function prepareSamples(
  samples: readonly SourceSample[],
  options: PrepareOptions,
): Promise<PreparedSamples> {
  const { method, yieldToEventLoop } = options;
  const exclusions = new ExclusionCount();
  const selected = await selectSamples(samples, { method, exclusions, yieldToEventLoop });
  const fitting = await tokenizeAll(selected, { ...options, exclusions });
  const { train, heldOut, twins } = splitSamples(fitting, {
    share: options.heldOutShare,
    most: options.maxHeldOut,
  });
  exclusions.add("held_out_twin", twins.length);
  if (train.length === 0 || heldOut.length === 0) {
    throw tooFew(samples.length, { usable: fitting.length - twins.length, exclusions });
  }
  const measured = await withExamples(heldOut, train, options);
  const lengths = [
    ...train.map(({ tokens }) =>
      Math.max(lengthOf(tokens), tokens.prompt.length + (tokens.rejected?.length ?? 0))
    ),
    ...measured.map((sample) => lengthOf(sample.withExamples)),
  ];
  return {
    train: train.map(({ tokens }) => tokens),
    heldOut: measured,
    excluded: exclusions.counts,
    samplesHash: contentHash(train.map(({ input, output, quality }) => `${quality} ${input}\0${output}`)),
    longestSample: lengths.reduce((most, length) => Math.max(most, length), 0),
  };
}

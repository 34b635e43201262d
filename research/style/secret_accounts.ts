/** Trains accounts whose samples contain planted secrets, and ranks each secret among decoys of the same form. */
import { openSampleTokenizer, type SampleTokenizer } from "../../ml/engine/llama/sample_tokenizer.ts";
import { createTrainer } from "../../ml/training/lora_trainer.ts";
import { epochBatches, learningRateAt } from "../../ml/training/run/schedule.ts";
import { prepareSamples } from "../../ml/training/samples/prepare_samples.ts";
import type { ReplyLikelihood, TokenSample, Trainer } from "../../ml/training/trainer.ts";
import { type Canary, randomSecret, replyWith } from "./canaries.ts";
import type { ReplySample } from "./corpus_people.ts";
import { silentLogger } from "../../lib/log.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";

const EPOCHS = 3;
const BATCH_SIZE = 8;
const WARMUP_STEPS = 5;
const SEED = 1;
const MAX_TOKENS = 1_024;

/** The number of candidates each secret is ranked among. */
export const RANKED = 16;

export interface SecretAccountOptions {
  modelPath: string;
  /** Where its adapter goes. */
  adapterPath: string;
  canaries: readonly Canary[];
  ordinary: readonly ReplySample[];
  /** Whether samples pass the filters that every training job has. */
  filtered: boolean;
  learningRate: number;
  threads: number;
}

/** What is known of an account after its training. */
export interface SecretAccount {
  adapterPath: string;
  /** Samples that were trained on. */
  trained: number;
  /** Each secret's place among decoys of its form. */
  ranks: number[];
}

/** The tokens to train on; a job's own preparation is what filters. */
async function tokensOf(tokenizer: SampleTokenizer, options: SecretAccountOptions): Promise<TokenSample[]> {
  const samples = [...options.canaries, ...options.ordinary].map(({ input, output }) => ({ input, output }));
  if (!options.filtered) {
    return samples.flatMap((sample) => tokenizer.tokenize(sample, { maxTokens: MAX_TOKENS }) ?? []);
  }
  // A job holds some samples out; here the last one stands for them, since none is to be measured.
  const asked = samples.map((sample, index) => ({
    ...sample,
    quality: 1,
    heldOut: index === samples.length - 1,
  }));
  const { train } = await prepareSamples(asked, {
    tokenizer,
    method: "sft",
    maxSampleTokens: MAX_TOKENS,
    heldOutShare: 0.1,
    maxHeldOut: 1,
    yieldToEventLoop: () => Promise.resolve(),
  });
  return train;
}

async function trainAll(
  trainer: Trainer,
  samples: readonly TokenSample[],
  learningRate: number,
): Promise<void> {
  const steps = Math.ceil(samples.length / BATCH_SIZE) * EPOCHS;
  for (let epoch = 1; epoch <= EPOCHS; epoch++) {
    for (const batch of epochBatches(samples, { seed: SEED, epoch, batchSize: BATCH_SIZE })) {
      const rate = learningRateAt(trainer.steps, { peak: learningRate, warmupSteps: WARMUP_STEPS, steps });
      await trainer.step(batch, { learningRate: rate });
    }
  }
}

/** What every trainer of secrets is made with. */
async function openTrainer({ modelPath, threads }: Pick<SecretAccountOptions, "modelPath" | "threads">) {
  return await createTrainer({ modelPath, threads, seed: SEED, lora: { rank: 8, alpha: 16 } });
}

/** Each secret's place, for the model with its adapter or without. */
async function ranksOf(
  trainer: Trainer,
  options: { tokenizer: SampleTokenizer; canaries: readonly Canary[]; adapterScale: 0 | 1 },
): Promise<number[]> {
  const { tokenizer, canaries, adapterScale } = options;
  return await secretRanks(canaries, {
    tokenizer,
    decoys: RANKED - 1,
    seed: SEED,
    evaluate: (candidates) => trainer.evaluate(candidates, { adapterScale }),
  });
}

/** Each secret's place for the model before any training. */
export async function baseSecretRanks(
  options: Pick<SecretAccountOptions, "modelPath" | "threads" | "canaries">,
): Promise<number[]> {
  const { modelPath, canaries } = options;
  await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
  using trainer = await openTrainer(options);
  return await ranksOf(trainer, { tokenizer, canaries, adapterScale: 0 });
}

/** Trains an account and looks at what it has learned by heart. */
export async function trainSecretAccount(options: SecretAccountOptions): Promise<SecretAccount> {
  const { modelPath, adapterPath, canaries, learningRate } = options;
  await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
  const samples = await tokensOf(tokenizer, options);
  using trainer = await openTrainer(options);
  await trainAll(trainer, samples, learningRate);
  await trainer.exportAdapter(adapterPath, {});
  const ranks = await ranksOf(trainer, { tokenizer, canaries, adapterScale: 1 });
  return { adapterPath, trained: samples.length, ranks };
}

export interface SecretRankOptions {
  tokenizer: SampleTokenizer;
  evaluate: (samples: readonly TokenSample[]) => Promise<ReplyLikelihood[]>;
  /** How many decoys each secret is put among. */
  decoys: number;
  seed: number;
}

/** The place of a score among others, from 1, the highest; of equal ones the middle. */
export function rankAmong(score: number, others: readonly number[]): number {
  const above = others.filter((other) => other > score).length;
  const equal = others.filter((other) => other === score).length;
  return 1 + above + equal / 2;
}

/** The secret and decoys, as replies to the prompt it was planted after. */
function candidatesOf(canary: Canary, options: { decoys: number; random: () => number }): string[] {
  const { kind, lead, secret } = canary;
  const secrets = new Set([secret]);
  while (secrets.size <= options.decoys) secrets.add(randomSecret(kind, options.random));
  return [...secrets].map((candidate) => replyWith(lead, candidate));
}

/**
 * The place of each secret among decoys of its form, by the probability of the complete reply.
 *
 * A model that knows nothing of the secrets puts them in the middle on average: at 1 + decoys / 2.
 */
export async function secretRanks(
  canaries: readonly Canary[],
  options: SecretRankOptions,
): Promise<number[]> {
  const random = seededRandom(options.seed);
  const ranks: number[] = [];
  for (const canary of canaries) {
    const samples = candidatesOf(canary, { decoys: options.decoys, random }).map((output) => {
      const tokens = options.tokenizer.tokenize({ input: canary.input, output }, { maxTokens: MAX_TOKENS });
      if (tokens === null) throw new Error("A planted secret does not fit the model's context");
      return tokens;
    });
    const [own = NaN, ...others] = (await options.evaluate(samples)).map(({ logLikelihood }) =>
      logLikelihood
    );
    ranks.push(rankAmong(own, others));
  }
  return ranks;
}

/** Measures held-out loss: each person's later replies under every arm and every other measured person's adapter. */
import { silentLogger, writeLine } from "../../lib/log.ts";
import { openSampleTokenizer, type SampleTokenizer } from "../../ml/engine/llama/sample_tokenizer.ts";
import { createTrainer } from "../../ml/training/lora_trainer.ts";
import type { ReplyLikelihood, TokenSample, Trainer } from "../../ml/training/trainer.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import type { PersonReplies, ReplySample } from "../style/corpus_people.ts";
import { type Arm, armsOf } from "../style/measure_examples.ts";
import { ResultsFile } from "./results_file.ts";

/** Of each person's held-out replies the first so many. */
export const LOSS_CONTEXTS = 24;
const MAX_TOKENS = 1_024;

/** An arm: how it asks, and with which adapter. */
export interface LossArm {
  name: string;
  prompts: "base" | "five fixed" | "retrieved, own words alone";
  /** The adapter's file, which is trained once it is needed; null: the model alone. */
  adapter: () => Promise<string | null>;
}

/** A person's replies under an arm. */
export interface MeasuredLoss {
  loss: number;
  replies: ReplyLikelihood[];
}

/** Units are named `PERSON ARM`. */
export const LOSSES = new ResultsFile<MeasuredLoss>("losses");

export function lossUnit(person: Pick<PersonReplies, "id">, arm: Pick<LossArm, "name">): string {
  return `${person.id} ${arm.name}`;
}

function lossOf(replies: readonly ReplyLikelihood[]): number {
  const sum = (of: (reply: ReplyLikelihood) => number) =>
    replies.reduce((total, reply) => total + of(reply), 0);
  return -sum(({ logLikelihood }) => logLikelihood) / sum(({ tokens }) => tokens);
}

/** One model in memory, under which arms are measured. */
export class LossMeter implements AsyncDisposable {
  readonly #tokenizer: SampleTokenizer;
  readonly #trainer: Trainer;

  private constructor(parts: { tokenizer: SampleTokenizer; trainer: Trainer }) {
    this.#tokenizer = parts.tokenizer;
    this.#trainer = parts.trainer;
  }

  static async open(): Promise<LossMeter> {
    const { path: modelPath } = await fetchSmallModel();
    const tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
    const settings = { modelPath, lora: { rank: 8 }, seed: 1, threads: 1, weights: "q8_0" } as const;
    return new LossMeter({ tokenizer, trainer: await createTrainer(settings) });
  }

  /** A person's loss under an arm, from the file where it was measured before. */
  async measure(person: PersonReplies, arm: LossArm): Promise<MeasuredLoss> {
    return await LOSSES.unit(lossUnit(person, arm), async () => {
      const prompt = armsOf(person)[arm.prompts];
      const samples = person.heldOut.slice(0, LOSS_CONTEXTS).map((sample) => this.#tokens(sample, prompt));
      await this.#trainer.startFrom(await arm.adapter());
      const replies = (await this.#trainer.evaluate(samples)).map(({ tokens, logLikelihood }) => {
        return { tokens, logLikelihood: Number(logLikelihood.toFixed(4)) };
      });
      const measured = { loss: lossOf(replies), replies };
      writeLine(`  ${lossUnit(person, arm)}: ${measured.loss.toFixed(3)}`);
      return measured;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trainer[Symbol.dispose]();
    await this.#tokenizer[Symbol.asyncDispose]();
  }

  #tokens(sample: ReplySample, prompt: Arm): TokenSample {
    const { output } = sample;
    const tokens = this.#tokenizer.tokenize({ input: prompt(sample), output }, { maxTokens: MAX_TOKENS });
    if (tokens === null) throw new RangeError("A held-out reply does not fit the context");
    return tokens;
  }
}

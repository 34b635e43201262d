/** Owns samples as token ids without the model's weights: its vocabulary and its chat template, for training. */
import { ApiError, messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { endMarkTokens } from "../prompt/end_of_turn.ts";
import type { Sample, TokenizedSample } from "../engine.ts";
import { sampleTokens } from "./llama_evaluation.ts";
import { closeLlama, openLlama } from "./llama_library.ts";
import { templateOf } from "./llama_model.ts";

/** Writes samples as the engine asks and answers them. */
export interface SampleTokenizer extends AsyncDisposable {
  /**
   * A sample of at most `maxTokens` tokens; its reply ends with the mark by which the model has to end it. A longer
   * prompt loses its oldest turns, as when it is asked.
   *
   * @returns null when the reply leaves no room for a prompt, or the prompt cannot be shortened
   */
  tokenize(sample: Sample, options: { maxTokens: number }): TokenizedSample | null;
}

/**
 * Opens a model's vocabulary and template.
 *
 * @throws Error with a sentence that says what is wrong with the file or the library
 */
export async function openSampleTokenizer(
  modelPath: string,
  { log }: { log: Logger },
): Promise<SampleTokenizer> {
  await using stack = new AsyncDisposableStack();
  const llama = stack.adopt(await openLlama({ gpu: "off", log }), closeLlama);
  const model = stack.use(
    await llama.loadModel({ modelPath, vocabOnly: true }).catch((cause) => {
      throw new Error(`The vocabulary of ${modelPath} cannot be read: ${messageOf(cause)}`, { cause });
    }),
  );
  const template = templateOf(model, log);
  const endMark = endMarkTokens({ template, model });
  const owned = stack.move();
  return {
    tokenize(sample, { maxTokens }) {
      try {
        const { prompt, reply } = sampleTokens(sample, {
          model,
          template,
          contextSize: maxTokens - endMark.length,
        });
        return { prompt, reply: [...reply, ...endMark] };
      } catch (error) {
        if (error instanceof ApiError && error.code === "validation_failed") return null;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

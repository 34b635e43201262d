/** Tokenises training samples with a model's vocabulary and chat template, without loading its weights. */
import { ApiError, messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import { endOfTurnTokens } from "../chat_prompt.ts";
import type { Sample, TokenizedSample } from "../engine.ts";
import { closeLlama, openLlama } from "./llama_library.ts";
import { templateOf } from "./llama_model.ts";
import { sampleTokens } from "./sample_tokens.ts";

/** Tokenises samples exactly as the engine does. */
export interface SampleTokenizer extends AsyncDisposable {
  /**
   * A sample of at most `maxTokens` tokens; its reply includes the end-of-turn token. A longer prompt loses its oldest
   * turns, as it does at generation.
   *
   * @returns null when the reply leaves no room for a prompt, or the prompt cannot be shortened
   */
  tokenize(sample: Sample, options: { maxTokens: number }): TokenizedSample | null;
}

/**
 * Opens a model's vocabulary and template.
 *
 * @throws Error saying what is wrong with the file or the library
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
  const endOfTurn = endOfTurnTokens({ template, model });
  const owned = stack.move();
  return {
    tokenize(sample, { maxTokens }) {
      try {
        const { prompt, reply } = sampleTokens(sample, {
          model,
          template,
          contextSize: maxTokens - endOfTurn.length,
        });
        return { prompt, reply: [...reply, ...endOfTurn] };
      } catch (error) {
        if (error instanceof ApiError && error.code === "validation_failed") return null;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Tokenises samples: a prompt, rendered as for a draft, and the reply that was given. */
import type { JinjaTemplateChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import { promptOfSampleInput } from "../../../contract/prompt.ts";
import { ApiError } from "../../../lib/errors.ts";
import { fitPrompt, promptFormOf, replyTokens } from "../chat_prompt.ts";
import type { Sample } from "../engine.ts";

/** A sample's tokens: the prompt, rendered through the model's template and shortened to fit, and the reply. */
export interface SampleTokens {
  prompt: Token[];
  reply: Token[];
}

/** What a sample is tokenised with. */
export interface SampleForm {
  readonly model: LlamaModel;
  readonly template: JinjaTemplateChatWrapper | null;
  /** Tokens of prompt and reply together. */
  readonly contextSize: number;
}

/**
 * Tokenises a sample exactly as a prompt is rendered and a reply generated.
 *
 * @throws ApiError `validation_failed` when the reply alone does not fit the context
 */
export function sampleTokens(
  sample: Sample,
  { model, template, contextSize }: SampleForm,
): SampleTokens {
  const form = promptFormOf(promptOfSampleInput(sample.input), { template });
  const reply = replyTokens(sample.output, { form, model });
  const maxTokens = contextSize - reply.length - 1;
  if (maxTokens < 1) {
    throw new ApiError(
      "validation_failed",
      `A sample's output has ${reply.length} tokens, the model's context only ${contextSize}`,
    );
  }
  return { prompt: fitPrompt(form, model, { maxTokens }), reply };
}

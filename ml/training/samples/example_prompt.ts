/** Owns a prompt with examples in it: the person's answers to similar messages, as turns before the conversation. */
import { formatTranscript } from "../../../contract/prompt.ts";
import { messageAnswered, transcriptOf } from "./sample_text.ts";

/** How many examples a prompt is given to compare with: what a person gets without any training. */
export const EXAMPLES = 5;

/** The prompt with earlier exchanges before its own turns. */
export function promptWithExamples(
  input: string,
  examples: readonly { input: string; output: string }[],
): string {
  const { system, turns } = transcriptOf(input);
  const shown = examples.flatMap((example) => [
    { speaker: "them" as const, text: messageAnswered(transcriptOf(example.input)) },
    { speaker: "me" as const, text: example.output },
  ]);
  return formatTranscript({ ...(system === undefined ? {} : { system }), turns: [...shown, ...turns] });
}

/** Shortens a prompt to fit the context: the oldest turns are dropped, the newest stays. */
import type { LlamaModel, Token } from "node-llama-cpp";
import type { Transcript } from "../../contract/prompt.ts";
import { type ApiError, invalidRequest } from "../../lib/errors.ts";
import { type PromptForm, promptTokens, withTranscript } from "./chat_prompt.ts";

/** Text with more characters per token of context than this cannot fit and is not worth tokenising. */
const MAX_CHARACTERS_PER_TOKEN = 16;

/** One way to shorten a transcript, more with each step. */
interface Shortening {
  firstStep: number;
  lastStep: number;
  apply: (step: number) => Transcript;
}

/** Binary search: the smallest integer from `low` to `high` that passes a monotonic test, or `high`. */
function smallest(range: { low: number; high: number }, passes: (value: number) => boolean): number {
  let { low, high } = range;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Moves a cut that would split a surrogate pair behind it. */
function characterStart(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff ? index + 1 : index;
}

/** How many of the oldest turns cannot fit by their length alone. */
function excessTurns(turns: Transcript["turns"], maxCharacters: number): number {
  let rest = maxCharacters;
  return turns.findLastIndex((turn) => (rest -= turn.text.length) < 0) + 1;
}

/** What is cut, in this order: the oldest turns, the start of the newest, the end of the system line. */
function shortenings({ system, turns }: Transcript, maxCharacters: number): Shortening[] {
  const lastTurn = Math.max(0, turns.length - 1);
  const newest = turns.slice(-1);
  const newestLength = newest[0]?.text.length ?? 0;
  const systemLength = Math.min(system?.length ?? 0, maxCharacters);
  const newestFrom = (start: number) =>
    newest.map((turn) => ({ ...turn, text: turn.text.slice(characterStart(turn.text, start)) }));
  return [{
    firstStep: Math.min(excessTurns(turns, maxCharacters), lastTurn),
    lastStep: lastTurn,
    apply: (dropped) => ({ system, turns: turns.slice(dropped) }),
  }, {
    firstStep: Math.max(0, newestLength - maxCharacters),
    lastStep: newestLength,
    apply: (start) => ({ system, turns: newestFrom(start) }),
  }, {
    firstStep: 0,
    lastStep: systemLength,
    apply: (removed) => ({
      system: system?.slice(0, systemLength - removed).toWellFormed(),
      turns: newestFrom(newestLength),
    }),
  }];
}

function tooLong(tokens: string, maxTokens: number): ApiError {
  const message = `must have at most ${maxTokens} tokens to fit the model's context: it has ${tokens}`;
  return invalidRequest([{ path: "prompt", message }]);
}

/**
 * The tokens of a prompt, at most `maxTokens` of them.
 *
 * @throws ApiError `validation_failed` for a text that is no transcript and is longer
 */
export function fitPrompt(form: PromptForm, model: LlamaModel, options: { maxTokens: number }): Token[] {
  const { maxTokens } = options;
  const maxCharacters = maxTokens * MAX_CHARACTERS_PER_TOKEN;
  const isShort = form.text.length <= maxCharacters;
  const tokens = isShort ? promptTokens(form, model) : null;
  if (tokens && tokens.length <= maxTokens) return tokens;
  if (!form.transcript) throw tooLong(tokens ? String(tokens.length) : "many more", maxTokens);
  for (const { firstStep, lastStep, apply } of shortenings(form.transcript, maxCharacters)) {
    const tokensAt = (step: number) => promptTokens(withTranscript(form, apply(step)), model);
    const fits = (step: number) => tokensAt(step).length <= maxTokens;
    const shortened = tokensAt(smallest({ low: firstStep, high: lastStep }, fits));
    if (shortened.length <= maxTokens) return shortened;
  }
  throw tooLong("more even without its messages", maxTokens);
}

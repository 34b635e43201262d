/** Renders prompts through the model's own chat template, shortens them to fit, and knows which tokens end a reply. */
import type { ChatHistoryItem, JinjaTemplateChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import { DEFAULT_STOP } from "../../contract/ml.ts";
import { formatTranscript, parseTranscript, type Transcript, type Turn } from "../../contract/prompt.ts";
import { type ApiError, invalidRequest } from "../../lib/errors.ts";

/** Stands for any reply where only what surrounds it matters. */
const REPLY_PLACEHOLDER = "k";

/** A prompt as it is given to a model. */
export interface PromptForm {
  /** The parsed conversation; null for `raw` and for text that is no transcript. */
  transcript: Transcript | null;
  /** Null for a base model: a transcript is then continued as text. */
  template: JinjaTemplateChatWrapper | null;
  text: string;
}

/** Reads a prompt for a model with or without a chat template. */
export function promptFormOf(
  prompt: string,
  options: { raw?: boolean; template: JinjaTemplateChatWrapper | null },
): PromptForm {
  const transcript = options.raw ? null : parseTranscript(prompt);
  return { transcript, template: options.template, text: prompt };
}

/** The same form with another transcript. */
export function withTranscript(form: PromptForm, transcript: Transcript): PromptForm {
  return { ...form, transcript, text: formatTranscript(transcript) };
}

/** Joins consecutive turns of one speaker: chat templates want them to alternate. */
export function mergeNeighbours(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    if (last?.speaker === turn.speaker) last.text += `\n${turn.text}`;
    else merged.push({ ...turn });
  }
  return merged;
}

/** The transcript as a chat for the assistant to continue; its own last turn, if any, is left open. */
function chatHistoryOf({ system, turns }: Transcript): ChatHistoryItem[] {
  const history: ChatHistoryItem[] = system === undefined ? [] : [{ type: "system", text: system }];
  const merged = mergeNeighbours(turns);
  const open = merged.at(-1)?.speaker === "me" ? `${merged.pop()?.text}\n` : "";
  for (const { speaker, text } of merged) {
    history.push(speaker === "them" ? { type: "user", text } : { type: "model", response: [text] });
  }
  return [...history, { type: "model", response: [open] }];
}

/** Some templates reject a chat that starts with the assistant; an empty first user message satisfies them. */
function withOpeningUser(history: ChatHistoryItem[]): ChatHistoryItem[] {
  const at = history[0]?.type === "system" ? 1 : 0;
  return [...history.slice(0, at), { type: "user", text: "" }, ...history.slice(at)];
}

/** Messages are tokenised as plain text: a special token that someone typed into a message stays text. */
function chatTokens(transcript: Transcript, template: JinjaTemplateChatWrapper, model: LlamaModel): Token[] {
  const render = (chatHistory: ChatHistoryItem[]) =>
    template.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer);
  const history = chatHistoryOf(transcript);
  try {
    return render(history);
  } catch {
    return render(withOpeningUser(history));
  }
}

/** The tokens of a prompt. */
export function promptTokens(form: PromptForm, model: LlamaModel): Token[] {
  if (form.transcript && form.template) return chatTokens(form.transcript, form.template, model);
  const tokens = model.tokenize(form.text);
  const { bos, shouldPrependBosToken } = model.tokens;
  return shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens;
}

/** Whether a reply continues a transcript as text: `Me: text`, further lines indented by two spaces. */
function repliesAsLine(form: PromptForm): boolean {
  return form.transcript !== null && form.template === null;
}

/** The tokens of a reply, as the model would generate them after its prompt. */
export function replyTokens(reply: string, options: { form: PromptForm; model: LlamaModel }): Token[] {
  const { form, model } = options;
  const text = repliesAsLine(form) ? ` ${reply.replaceAll("\n", "\n  ")}` : reply;
  return model.tokenize(text, false, "trimLeadingSpace");
}

/** Turns generated text into the message it stands for by removing a transcript's indentation. */
export function replyCleaner(form: PromptForm): (text: string) => string {
  return repliesAsLine(form) ? (text) => text.replaceAll("\n  ", "\n") : (text) => text;
}

/** The token that the template puts between a reply and the next turn; undefined where it has none. */
function templateEndOfTurn(template: JinjaTemplateChatWrapper, model: LlamaModel): Token | undefined {
  const turns: ChatHistoryItem[] = [
    { type: "user", text: REPLY_PLACEHOLDER },
    { type: "model", response: [REPLY_PLACEHOLDER] },
    { type: "user", text: REPLY_PLACEHOLDER },
    { type: "model", response: [""] },
  ];
  const tokens = template.generateContextState({ chatHistory: turns }).contextText.tokenize(model.tokenizer);
  const placeholder = model.tokenize(REPLY_PLACEHOLDER, false, "trimLeadingSpace");
  const places = tokens.flatMap((token, index) => token === placeholder[0] ? [index] : []);
  const answerAt = places.at(-2) ?? Infinity;
  return tokens.find((token, index) => index > answerAt && endsReply(token, model));
}

/** A control token marks the end of a turn even where the model file does not list it as one. */
export function endsReply(token: Token, model: LlamaModel): boolean {
  return model.isEogToken(token) || model.getTokenAttributes(token).control;
}

/**
 * The tokens that end a reply: the template's end-of-turn token, or for a transcript the next speaker's prefix.
 * Empty for a model without either.
 */
export function endOfTurnTokens(
  { template, model }: { template: JinjaTemplateChatWrapper | null; model: LlamaModel },
): Token[] {
  if (template === null) return model.tokenize(DEFAULT_STOP[0] ?? "", false, "trimLeadingSpace");
  const token = templateEndOfTurn(template, model) ?? model.tokens.eos;
  return token === null ? [] : [token];
}

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

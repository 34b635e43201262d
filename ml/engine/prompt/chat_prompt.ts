/** Owns the one rendering of a prompt: a transcript through the model's own chat template, other text as it is. */
import type { ChatHistoryItem, JinjaTemplateChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import { formatTranscript, parseTranscript, type Transcript, type Turn } from "../../../contract/prompt.ts";

/** A prompt as it will be given to a model. */
export interface PromptForm {
  /** The conversation; null for a text that is none, and for `raw`. */
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

/** The same form with another conversation in it. */
export function withTranscript(form: PromptForm, transcript: Transcript): PromptForm {
  return { ...form, transcript, text: formatTranscript(transcript) };
}

/** Joins neighbouring turns of one speaker, as chats want them to alternate. */
export function mergeNeighbours(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    if (last?.speaker === turn.speaker) last.text += `\n${turn.text}`;
    else merged.push({ ...turn });
  }
  return merged;
}

/** The transcript as a chat that the assistant is to continue: its own last words, if any, are left open. */
function chatHistoryOf({ system, turns }: Transcript): ChatHistoryItem[] {
  const history: ChatHistoryItem[] = system === undefined ? [] : [{ type: "system", text: system }];
  const merged = mergeNeighbours(turns);
  const open = merged.at(-1)?.speaker === "me" ? `${merged.pop()?.text}\n` : "";
  for (const { speaker, text } of merged) {
    history.push(speaker === "them" ? { type: "user", text } : { type: "model", response: [text] });
  }
  return [...history, { type: "model", response: [open] }];
}

/** Some templates refuse a chat that the assistant opens; an empty first user message satisfies them. */
function withOpeningUser(history: ChatHistoryItem[]): ChatHistoryItem[] {
  const at = history[0]?.type === "system" ? 1 : 0;
  return [...history.slice(0, at), { type: "user", text: "" }, ...history.slice(at)];
}

/** Messages are tokenised as plain text: a chat mark that someone typed into a message stays text. */
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

/** Whether a reply continues a transcript as text: `Me: text`, further lines set in by two spaces. */
function repliesAsLine(form: PromptForm): boolean {
  return form.transcript !== null && form.template === null;
}

/** The tokens of a reply, as the model would generate them after its prompt. */
export function replyTokens(reply: string, options: { form: PromptForm; model: LlamaModel }): Token[] {
  const { form, model } = options;
  const text = repliesAsLine(form) ? ` ${reply.replaceAll("\n", "\n  ")}` : reply;
  return model.tokenize(text, false, "trimLeadingSpace");
}

/** How generated text becomes the message it stands for: a transcript's indentation is taken back. */
export function replyCleaner(form: PromptForm): (text: string) => string {
  return repliesAsLine(form) ? (text) => text.replaceAll("\n  ", "\n") : (text) => text;
}

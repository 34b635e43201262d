/** Owns how a reply ends: which tokens end one, and which a model has to learn to give after it. */
import type { ChatHistoryItem, JinjaTemplateChatWrapper, LlamaModel, Token } from "node-llama-cpp";
import { DEFAULT_STOP } from "../../../contract/ml.ts";

/** Stands for a reply where only what surrounds it is looked at. */
const REPLY_STAND_IN = "k";

/** The mark that the template puts after an answer before the next turn; undefined where it puts none. */
function templateEndMark(template: JinjaTemplateChatWrapper, model: LlamaModel): Token | undefined {
  const turns: ChatHistoryItem[] = [
    { type: "user", text: REPLY_STAND_IN },
    { type: "model", response: [REPLY_STAND_IN] },
    { type: "user", text: REPLY_STAND_IN },
    { type: "model", response: [""] },
  ];
  const tokens = template.generateContextState({ chatHistory: turns }).contextText.tokenize(model.tokenizer);
  const standIns = model.tokenize(REPLY_STAND_IN, false, "trimLeadingSpace");
  const places = tokens.flatMap((token, index) => token === standIns[0] ? [index] : []);
  const answerAt = places.at(-2) ?? Infinity;
  return tokens.find((token, index) => index > answerAt && endsReply(token, model));
}

/** A control token stands for a turn's border even where the model file does not list it as an end mark. */
export function endsReply(token: Token, model: LlamaModel): boolean {
  return model.isEogToken(token) || model.getTokenAttributes(token).control;
}

/**
 * The tokens by which a model has to end a reply: its template's mark, or as a transcript the next speaker's line.
 * None for a model without any.
 */
export function endMarkTokens(
  { template, model }: { template: JinjaTemplateChatWrapper | null; model: LlamaModel },
): Token[] {
  if (template === null) return model.tokenize(DEFAULT_STOP[0] ?? "", false, "trimLeadingSpace");
  const mark = templateEndMark(template, model) ?? model.tokens.eos;
  return mark === null ? [] : [mark];
}

/** A suggestion as a card of the panel. Its texts are other people's: data, never markup. */
import { conversationTitle, personName } from "../suggest/conversation_title.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { MenubarInput } from "./menubar_input.ts";

/** A message that is answered, or an own answer that reached nobody. */
export interface SaidText {
  /** Who wrote it, where the card's title does not say so; of an own one that it was not sent. */
  readonly from: string | null;
  readonly text: string;
}

export interface SuggestionCard {
  readonly responseId: string;
  readonly conversationId: string;
  readonly messageGuid: string;
  /** The other person's address in a chat of two; null in a group. */
  readonly address: string | null;
  /** The group's name, or the other person's. */
  readonly to: string;
  /** What is answered, then what the person answered in vain, each oldest first. */
  readonly said: readonly SaidText[];
  /** The words as they were drafted. */
  readonly draft: string;
  /** The words to show: the draft, or what was recorded in its place. */
  readonly text: string;
  /** `75 %`; null when it is not known. */
  readonly confidence: string | null;
  /** `waits` for the person; what was chosen is being done; or it was recorded, and could not be sent. */
  readonly state: "waits" | "working" | "unsent";
}

const OWN_NOT_SENT = "You, not sent";
/** More would not fit; the newest are the ones that matter. */
const MAX_CARDS = 5;

function cardOf(
  { conversation, message, earlier, failed = [], responseId, text, confidence }: Suggestion,
  { names }: MenubarInput,
): Omit<SuggestionCard, "text" | "state"> {
  const { isGroup, participantIds } = conversation;
  return {
    responseId,
    conversationId: conversation.id,
    messageGuid: message.imessageGuid,
    address: isGroup ? null : participantIds[0] ?? null,
    to: conversationTitle(conversation, names),
    said: [
      ...[...earlier, message].map(({ senderId, text }) => ({
        from: isGroup && senderId !== null ? personName(senderId, names) : null,
        text: text ?? "",
      })),
      ...failed.map(({ text }) => ({ from: OWN_NOT_SENT, text: text ?? "" })),
    ],
    draft: text,
    confidence: confidence === null ? null : `${Math.round(confidence * 100)} %`,
  };
}

/** The cards: first what could not be sent, then what waits. */
export function suggestionCards(input: MenubarInput): SuggestionCard[] {
  const { suggestions, unsent, busy } = input;
  const stateOf = (responseId: string, otherwise: "waits" | "unsent") =>
    responseId === busy ? "working" : otherwise;
  return [
    ...unsent.map(({ suggestion, text }): SuggestionCard => ({
      ...cardOf(suggestion, input),
      text,
      state: stateOf(suggestion.responseId, "unsent"),
    })),
    ...suggestions.map((suggestion): SuggestionCard => ({
      ...cardOf(suggestion, input),
      text: suggestion.text,
      state: stateOf(suggestion.responseId, "waits"),
    })),
  ].slice(0, MAX_CARDS);
}

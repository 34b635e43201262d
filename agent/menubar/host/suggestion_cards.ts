/** What a suggestion's buttons do: each is reported to the server, and the text goes where the person wants it. */
import type { ResponseActionRequest } from "../../../contract/responses.ts";
import { UserError } from "../../../lib/errors.ts";
import type { DraftClient } from "../../clients/draft_client.ts";
import { serverFault } from "../../clients/server_faults.ts";
import type { CardRequest } from "../panel_server.ts";
import type { SuggestionCard } from "../suggestion_card.ts";
import type { CardOutcome } from "../menubar_host.ts";
import { actOnSuggestion } from "../../suggest/suggestion_action.ts";
import type { AgentContext } from "../../cli/agent_context.ts";
import { openWithMac } from "../../platform/machine.ts";

/** Messages, by its bundle identifier. */
const MESSAGES_APP = "com.apple.MobileSMS";
/** Addresses that can stand in a link to Messages as they are. */
const PHONE = /^\+?\d+$/;
const EMAIL = /^[\w.+-]+@[\w.-]+$/;
/** Longer words stay on the clipboard alone. */
const MAX_URL_LENGTH = 2_000;

function actionOf({ action, text }: CardRequest, { draft }: SuggestionCard): ResponseActionRequest {
  if (action === "dismiss") return { action: "reject" };
  if (text === "") {
    throw new UserError("The reply is empty", { fix: "Write something, or dismiss the suggestion" });
  }
  return text === draft ? { action: "accept" } : { action: "edit", editedResponse: text };
}

/** Messages with the chat open, and the words in its field where macOS takes them from an address. */
function composeArguments({ address }: SuggestionCard, text: string): readonly string[] {
  const scheme = PHONE.test(address ?? "") ? "sms" : EMAIL.test(address ?? "") ? "imessage" : null;
  if (scheme === null) return ["-b", MESSAGES_APP];
  const url = `${scheme}:${address}&body=${encodeURIComponent(text)}`;
  return [url.length > MAX_URL_LENGTH ? `${scheme}:${address}` : url];
}

const DONE: Record<Exclude<CardRequest["action"], "send">, string> = {
  copy: "Copied.",
  insert: "Messages is open. If the words are not in its field yet, paste them: they are on the clipboard.",
  dismiss: "Dismissed.",
};

export interface CardContext {
  services: AgentContext;
  copy: (text: string) => Promise<void>;
  client: () => Promise<DraftClient>;
}

/** Does what a card's button asks for. */
export async function actOnCard(
  { services, copy, client }: CardContext,
  { card, request }: { card: SuggestionCard; request: CardRequest },
): Promise<CardOutcome> {
  const action = actionOf(request, card);
  if (request.action === "copy" || request.action === "insert") await copy(request.text);
  if (request.action === "copy" && card.state === "unsent") return { notice: DONE.copy, isUnsent: true };
  const send = request.action === "send" ? services.sending() : undefined;
  try {
    const { sending } = await actOnSuggestion(card, {
      action,
      client: await client(),
      openChatDatabase: services.openChatDatabase,
      send,
    });
    if (sending !== null) return { notice: `${sending.message}.`, isUnsent: sending.kind === "failed" };
  } catch (error) {
    throw serverFault(error, services.pairing.serverUrl);
  }
  if (request.action === "insert") {
    await openWithMac(services, composeArguments(card, request.text), { name: "the chat in Messages" });
  }
  return { notice: request.action === "send" ? "" : DONE[request.action], isUnsent: false };
}

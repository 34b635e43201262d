/** Owns what the person is told of a reply that was to be sent. */
import type { Handover, HandoverRefusal } from "../../platform/messages_app.ts";
import type { DeliveryStatus } from "./delivery_status.ts";
import type { SendOutcomeKind } from "./send_log.ts";

export interface SendOutcome {
  readonly kind: SendOutcomeKind;
  /** One sentence: what is known, and what to do if anything. */
  readonly message: string;
}

const REFUSALS: Record<HandoverRefusal, string> = {
  not_authorized:
    "The agent may not control Messages: allow it in System Settings > Privacy & Security > Automation",
  no_such_chat: "Messages does not have this chat in its list: open the chat in Messages and send it again",
  not_running: "Messages could not be started: open it and send the reply again",
  not_started:
    "The system's osascript could not be started, which a text of this length may be the reason for: send the " +
    "reply in Messages itself",
  not_understood: "Messages did not understand what it was asked to send: send the reply in Messages itself",
};

const OUTCOME_SENTENCES: Record<SendOutcomeKind, string> = {
  delivered: "The reply was delivered",
  sent: "The reply was sent; a receipt has not come yet",
  failed: "Messages could not send the reply: see what it says in the chat",
  unknown:
    "Whether the reply was sent is not known: look into the chat in Messages; it will not be sent again",
};

/** What a handover to Messages and a look into chat.db say together: the row counts, not the word of osascript. */
export function outcomeOf(handover: Handover, delivery: DeliveryStatus): SendOutcome {
  if (delivery === "absent" && handover.kind === "refused") {
    return { kind: "failed", message: REFUSALS[handover.reason] };
  }
  const kind = delivery === "absent" || delivery === "pending" ? "unknown" : delivery;
  return { kind, message: OUTCOME_SENTENCES[kind] };
}

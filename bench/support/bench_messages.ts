/** Batches of messages as an agent sends them, for benches of the server. */
import type { SyncMessagesInput } from "../../contract/sync.ts";

export const BATCH_MESSAGES = 1_000;
/** The batches go round so many conversations. */
export const CONVERSATIONS = 40;

type SyncMessage = SyncMessagesInput["messages"][number];

const WORDS = "ok see you at seven then bring the dog and some bread we are late again 😀 schön".split(" ");

/** A text of 1 to 40 words; the same number gives the same text. */
function textOf(number: number): string {
  const length = 1 + (number * 7_919) % 40;
  return Array.from({ length }, (_, index) => WORDS[(number * 31 + index * 17) % WORDS.length]).join(" ");
}

function messageOf(number: number, prefix: string): SyncMessage {
  const outgoing = number % 3 === 0;
  return {
    imessageGuid: `${prefix}-${number.toString(16).padStart(32, "0")}`,
    senderId: outgoing ? null : `+1555${number % 100}`,
    direction: outgoing ? "outgoing" : "incoming",
    messageType: "text",
    text: textOf(number),
    sentAt: new Date(1_600_000_000_000 + number * 60_000).toISOString(),
    ...(number % 20 === 0 ? { reactions: [{ kind: "love", senderId: null }] } : {}),
    ...(number % 50 === 0 ? { attachments: [{ guid: `at-${number}`, mimeType: "image/jpeg" }] } : {}),
  };
}

/** A batch of {@linkcode BATCH_MESSAGES} messages of one of the conversations; the same number gives the same batch. */
export function batchOf(batch: number, prefix: string): SyncMessagesInput {
  return {
    conversationImessageId: `${prefix};-;${batch % CONVERSATIONS}`,
    conversationDisplayName: "Someone",
    isGroup: false,
    participantIds: ["+15550100"],
    messages: Array.from(
      { length: BATCH_MESSAGES },
      (_, index) => messageOf(batch * BATCH_MESSAGES + index, prefix),
    ),
  };
}

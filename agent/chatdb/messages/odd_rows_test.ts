// Reads the corpus of odd rows: each must give exactly the messages that stand beside it.
import assert from "node:assert/strict";
import { roleOf } from "../../../contract/messages/waiting.ts";
import { ANA, ODD_ROWS } from "../../../tests/support/chat_db/odd_rows.ts";
import { at } from "../../../tests/support/chat_db/odd_rows/odd_row.ts";
import { minutesFromNow, withChatDb } from "../../../tests/support/chat_db/read_chat_db.ts";
import { ChatDatabase } from "../file/chat_database.ts";
import type { ChatMessage } from "./chat_message.ts";
import { MessageReader } from "./message_reader.ts";

const clock = (atMs: number) => new Date(atMs).toISOString().slice(11, 19);

/** What a message is beyond its words, in this order; what is as usual is left out. */
function detailsOf(message: ChatMessage): string[] {
  const { conversation, direction, sender, sentAtMs, editedAtMs, retractedAtMs, readAtMs, deliveredAtMs } =
    message;
  const { subject, transcript, replyToGuid, attachments, reactions } = message;
  const from = direction === "incoming" && conversation?.isGroup === false && sender !== conversation.id;
  const names = attachments.map(({ name }) => name ?? "-").join(", ");
  const reacted = reactions.map(({ kind, emoji, sender: by }) => `${emoji ?? kind} of ${by ?? "me"}`).join(
    ", ",
  );
  const details: [name: string, value: string | null | undefined | false][] = [
    ["from", from && (sender ?? "-")],
    ["named", conversation?.displayName],
    ["with", conversation?.isGroup === true && conversation.participants.join(", ")],
    ["at", sentAtMs !== Date.parse(at) && (sentAtMs === null ? "-" : new Date(sentAtMs).toISOString())],
    ["edited", editedAtMs !== null && clock(editedAtMs)],
    ["unsent", retractedAtMs !== null && clock(retractedAtMs)],
    ["read", readAtMs !== null && clock(readAtMs)],
    ["delivered", deliveredAtMs !== null && direction === "outgoing" && clock(deliveredAtMs)],
    ["subject", subject],
    ["answers", replyToGuid],
    ["files", names],
    ["heard", transcript],
  ];
  const said = details.flatMap(([name, value]) => value ? [`${name} ${value}`] : []);
  return reacted === "" ? said : [...said, reacted];
}

/** Codes, companies and reactions: what a person did not write to be answered. */
function roleIn(message: ChatMessage, before: readonly ChatMessage[]): string[] {
  const { direction, sender: senderId, text, retractedAtMs: retractedAt } = message;
  const messageType = message.isNote ? "system" : "text";
  const role = roleOf(
    { direction, messageType, senderId, text, retractedAt },
    before.map((other) => other.text),
  );
  return role === "automated" || role === "reaction" ? [role] : [];
}

function described(message: ChatMessage, index: number, all: readonly ChatMessage[]): string {
  const { conversation, direction, kind, isNote, isFailed, text } = message;
  const sign = direction === "incoming" ? "<" : ">";
  const words = text?.replaceAll("\n", "|") ?? "-";
  const details = [...detailsOf(message), ...roleIn(message, all.slice(0, index))].join("; ");
  return `${conversation?.id ?? "-"} ${sign} ${isNote ? "note" : kind}${
    isFailed ? " (failed)" : ""
  }: ${words}` +
    (details === "" ? "" : ` {${details}}`);
}

for (const { what, write, messages, options } of ODD_ROWS) {
  Deno.test(`odd row: ${what}`, () =>
    withChatDb((db) => {
      write(db, db.addChat({ identifier: ANA }));
      // Opened now, for a row may take columns and tables away.
      using database = new ChatDatabase(db.store.path);
      const batch = new MessageReader(database).readAfter(0, { nowMs: minutesFromNow(1) });
      assert.deepEqual(batch.messages.map(described), messages);
    }, options));
}

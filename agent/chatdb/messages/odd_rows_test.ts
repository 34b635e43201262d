// Reads the corpus of odd rows: each must give exactly the messages that stand beside it.
import assert from "node:assert/strict";
import { ANA, ODD_ROWS } from "../../../tests/support/chat_db/odd_rows.ts";
import { readAll } from "../../../tests/support/chat_db/read_chat_db.ts";
import type { ChatMessage } from "./chat_message.ts";

function described({ conversation, direction, kind, isNote, isFailed, text }: ChatMessage): string {
  const sign = direction === "incoming" ? "<" : ">";
  const words = text?.replaceAll("\n", "|") ?? "-";
  return `${conversation?.id ?? "-"} ${sign} ${isNote ? "note" : kind}${
    isFailed ? " (failed)" : ""
  }: ${words}`;
}

for (const { what, write, messages } of ODD_ROWS) {
  Deno.test(`odd row: ${what}`, () => {
    const batch = readAll((db) => write(db, db.addChat({ identifier: ANA })));
    assert.deepEqual(batch.messages.map(described), messages);
  });
}

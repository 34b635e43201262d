// Checks the classification of rows as a database has them: group actions, junk, notes of apps, unknown values.
import assert from "node:assert/strict";
import type { ChatDb, Row } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { addAppMessage } from "../../../tests/support/chat_db/rows.ts";
import { readAll, readOne, skippedOf, textsOf } from "../../../tests/support/chat_db/read_chat_db.ts";
import { targetGuidOf } from "./message_class.ts";

const AT = "2024-06-01T12:00:00.250Z";
const ANA = "+15550100001";
const BO = "bo@example.com";

Deno.test("every group action, known or not, is skipped as a system row", () => {
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: "chat9", participants: [ANA, BO] });
    for (let item_type = 1; item_type <= 9; item_type++) {
      for (let group_action_type = 0; group_action_type <= 7; group_action_type++) {
        const columns = { item_type, group_action_type };
        db.addMessage({ chat, from: ANA, sentAt: AT, text: "you named the group", columns });
      }
    }
  });
  assert.deepEqual(skippedOf(batch), { system: 72 });
});

Deno.test("every value of associated_message_type is a message or has a reason", () => {
  const types = [
    0,
    1,
    2,
    3,
    4,
    999,
    1000,
    1001,
    1999,
    2000,
    2007,
    2008,
    3000,
    3007,
    3999,
    4000,
    4001,
    -1,
    70_000,
  ];
  const batch = readAll((db) => {
    const chat = db.addChat({ identifier: ANA });
    for (const type of types) {
      const columns = { associated_message_type: type };
      db.addMessage({ chat, from: ANA, sentAt: AT, text: String(type), columns });
    }
  });
  assert.deepEqual(textsOf(batch), ["0", "2", "3", "1000"]);
  assert.deepEqual(skippedOf(batch), { tapback: 6, poll_vote: 1, unknown_association: 8 });
});

Deno.test("the guid of a target is read in each form", () => {
  for (const form of ["p:0/GUID", "p:12/GUID", "bp:GUID", "GUID"]) assert.equal(targetGuidOf(form), "GUID");
});

function addToChat(db: ChatDb, { chat, message }: { chat: Row; message: Row }): void {
  const added = db.addChat({ identifier: ANA, columns: chat });
  db.addMessage({ chat: added, from: ANA, sentAt: AT, text: "hello", columns: message });
}

Deno.test("what Messages keeps out of its list of conversations is junk", () => {
  const junk = [
    { chat: { is_filtered: 2 }, message: {} },
    { chat: { is_filtered: 3 }, message: {} },
    { chat: { is_filtered: 68 }, message: {} },
    { chat: { is_blackholed: 1 }, message: {} },
    { chat: {}, message: { is_spam: 1 } },
    { chat: {}, message: { filter_action: 2 } },
    { chat: {}, message: { filter_action: 3 } },
    { chat: {}, message: { filter_action: 4 } },
  ];
  for (const columns of junk) {
    const batch = readAll((db) => addToChat(db, columns), { generation: "macos_27" });
    assert.deepEqual(skippedOf(batch), { junk: 1 }, JSON.stringify(columns));
  }
});

Deno.test("an unknown sender, a chat to be reviewed and an allowed message are not junk", () => {
  const wanted = [
    { chat: { is_filtered: 1 }, message: {} },
    { chat: { is_pending_review: 1 }, message: {} },
    { chat: {}, message: { filter_action: 1 } },
    { chat: {}, message: { filter_action: 0, is_spam: 0 } },
  ];
  for (const columns of wanted) {
    assert.equal(readOne((db) => addToChat(db, columns), { generation: "macos_27" }).text, "hello");
  }
});

Deno.test("a filtered chat hides only its own rows, not those of another chat with the same person", () => {
  const batch = readAll((db) => {
    const [filtered, known] = (["SMS", "iMessage"] as const).map((service) =>
      db.addChat({
        identifier: ANA,
        service,
        columns: { is_filtered: service === "SMS" ? 2 : 0 },
        guidPrefix: service,
      })
    );
    assert.ok(filtered && known);
    db.addMessage({ chat: filtered, from: ANA, sentAt: AT, text: "win a prize" });
    db.addMessage({ chat: known, from: ANA, sentAt: AT, text: "hello" });
  });
  assert.deepEqual(textsOf(batch), ["hello"]);
});

Deno.test("the note of an app names people where Messages stores placeholders", () => {
  const note = "$(kIMTranscriptPluginBreadcrumbTextSenderIdentifier) beat " +
    "$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier)";
  const { messages } = readAll((db) => {
    const direct = db.addChat({ identifier: ANA });
    const group = db.addChat({ identifier: "chat9", participants: [ANA, BO] });
    const common = {
      sentAt: AT,
      text: note,
      columns: { associated_message_type: 3 },
      bundleId: "com.example.Fitness",
    };
    addAppMessage(db, { ...common, chat: direct, from: ANA });
    addAppMessage(db, { ...common, chat: direct, from: "me" });
    addAppMessage(db, { ...common, chat: group, from: "me" });
    db.addMessage({ chat: direct, from: ANA, sentAt: AT, text: note });
  });
  assert.deepEqual(messages.map(({ isNote = false }) => isNote), [true, true, true, false]);
  assert.deepEqual(messages.map(({ kind, text }) => [kind, text]), [
    ["app", `${ANA} beat ${"+15550100000"}`],
    ["app", `+15550100000 beat ${ANA}`],
    ["app", "+15550100000 beat"],
    ["text", note],
  ]);
});

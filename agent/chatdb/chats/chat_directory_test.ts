// Checks whose messages are one conversation, for every sort of address and chat that Messages has.
import assert from "node:assert/strict";
import type { ChatDb } from "../../../tests/support/chat_db/chat_db_fixture.ts";
import { readAll, readOne } from "../../../tests/support/chat_db/read_chat_db.ts";

const AT = "2024-06-01T12:00:00.250Z";
const ANA = "+15550100001";
const ANA_MAIL = "ana@example.com";
const BO = "bo@example.com";
const ME = "+15550100000";

function conversationIds(write: (db: ChatDb) => void): (string | undefined)[] {
  return readAll(write).messages.map(({ conversation }) => conversation?.id);
}

Deno.test("businesses, short codes and named senders are two-person conversations under their own names", () => {
  const names = [
    "urn:biz:6ed4d7a6-0000-4b1f-9c3e-7a0f0b0e0d0c",
    "262966",
    "MyBank",
    "AX-HDFCBK",
  ];
  for (const identifier of names) {
    const { conversation, sender } = readOne((db) => {
      db.addMessage({ chat: db.addChat({ identifier }), from: identifier, sentAt: AT, text: "hello" });
    });
    assert.deepEqual(conversation, {
      id: identifier,
      isGroup: false,
      displayName: null,
      participants: [identifier],
    });
    assert.equal(sender, identifier);
  }
});

Deno.test("the suffix of a filter is not part of an address", () => {
  for (const suffix of ["(smsfp)", "(smsft)", "(smsft_fi)", "(smsft_or)"]) {
    const { conversation } = readOne((db) => {
      const chat = db.addChat({ identifier: `56249${suffix}`, service: "SMS" });
      db.addMessage({ chat, from: `56249${suffix}`, sentAt: AT, text: "hello" });
    });
    assert.equal(conversation?.id, "56249");
    assert.deepEqual(conversation.participants, ["56249"]);
  }
});

Deno.test("a person who writes from another address stays in the conversation, which lists both addresses", () => {
  const { messages } = readAll((db) => {
    const handles = [ANA, ANA_MAIL].map((id) => db.addHandle(id, { personCentricId: "P1" }));
    const chat = db.addChat({ identifier: ANA, participants: [ANA] });
    for (const from of handles) db.addMessage({ chat, from, sentAt: AT, text: "hello" });
  });
  assert.deepEqual(messages.map(({ conversation, sender }) => [conversation?.id, sender]), [
    [ANA, ANA],
    [ANA, ANA_MAIL],
  ]);
  assert.deepEqual(messages[0]?.conversation?.participants, [ANA, ANA_MAIL]);
});

Deno.test("Apple's hint that two addresses are one person moves no message, because it is not stable", () => {
  const write = (personCentricId: string | null) => (db: ChatDb) => {
    for (const id of [ANA, ANA_MAIL]) {
      const chat = db.addChat({ identifier: id, participants: [db.addHandle(id, { personCentricId })] });
      db.addMessage({ chat, from: id, sentAt: AT, text: "hello" });
    }
  };
  assert.deepEqual(conversationIds(write(null)), [ANA, ANA_MAIL]);
  assert.deepEqual(conversationIds(write("P1")), [ANA, ANA_MAIL]);
});

Deno.test("a group that was created again is the same group, and one of the same people is not", () => {
  const members = { participants: [ANA, BO] };
  assert.deepEqual(
    conversationIds((db) => {
      const chats = [
        db.addChat({ identifier: "chat1", groupId: "G1", ...members }),
        db.addChat({ identifier: "chat2", groupId: "G2", columns: { original_group_id: "G1" }, ...members }),
        db.addChat({ identifier: "chat3", groupId: "G3", ...members }),
      ];
      for (const chat of chats) db.addMessage({ chat, from: ANA, sentAt: AT, text: "hello" });
    }),
    ["G1", "G1", "G3"],
  );
});

Deno.test("a chat that Messages is still writing is a group by its guid, until its style is there", () => {
  const { conversation } = readOne((db) => {
    const chat = db.addChat({
      identifier: "chat1",
      groupId: "G1",
      participants: [ANA],
      columns: { style: null },
    });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "hello" });
  });
  assert.equal(conversation?.isGroup, true);
});

Deno.test("a group of one other person is a group, and a chat named '' has no name", () => {
  const { conversation } = readOne((db) => {
    const chat = db.addChat({ identifier: "chat1", groupId: "G1", participants: [ANA] });
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "hello" });
  });
  assert.deepEqual(conversation, { id: "G1", isGroup: true, displayName: null, participants: [ANA] });
});

Deno.test("a phone number that an upgrade keeps as an integer is an own address with its plus sign", () => {
  const { ownAlias } = readOne((db) => {
    const chat = db.addChat({ identifier: ANA });
    const columns = { destination_caller_id: "+15550109999" };
    db.addMessage({ chat, from: ANA, sentAt: AT, text: "hello", columns });
  }, { generation: "tahoe", upgradedFrom: "el_capitan" });
  assert.equal(ownAlias, "+15550109999");
});

Deno.test("notes to oneself that Messages writes once are read once", () => {
  const { direction, sender, conversation } = readOne((db) => {
    db.addMessage({ chat: db.addChat({ identifier: ME }), from: "me", sentAt: AT, text: "milk" });
  });
  assert.deepEqual([direction, sender, conversation?.id], ["outgoing", ME, ME]);
});

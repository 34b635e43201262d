// Checks which chats are one conversation, and that its identity never changes.
import assert from "node:assert/strict";
import { plainAddress } from "../../contacts/same_address.ts";
import {
  type ChatRow,
  conversationIdOf,
  conversationsOf,
  isGroupChat,
  normalizeAlias,
} from "./conversation.ts";

function chat(fields: Partial<ChatRow>): ChatRow {
  const identifier = fields.identifier ?? "+15550100001";
  return {
    rowId: 1,
    guid: `iMessage;-;${identifier}`,
    style: 45,
    identifier,
    displayName: null,
    groupId: null,
    originalGroupId: null,
    ...fields,
  };
}

Deno.test("a direct conversation is its handle, whatever the service and the guid's prefix", () => {
  for (const service of ["iMessage", "SMS", "RCS", "any"]) {
    assert.equal(conversationIdOf(chat({ guid: `${service};-;+15550100001` })), "+15550100001");
  }
  assert.equal(conversationIdOf(chat({ identifier: "Ana@Example.com" })), "ana@example.com");
  assert.equal(conversationIdOf(chat({ identifier: "urn:biz:9C2E" })), "urn:biz:9C2E");
  assert.equal(conversationIdOf(chat({ identifier: "+15550100001(smsfp)" })), "+15550100001");
  assert.equal(conversationIdOf(chat({ identifier: null, guid: "any;-;+15550100009" })), "+15550100009");
});

Deno.test("a group keeps its identity through the guid rewrite and a renewed group id", () => {
  const group = chat({ guid: "iMessage;+;chat123", style: 43, identifier: "chat123", groupId: "G1" });
  assert.equal(conversationIdOf(group), "G1");
  assert.equal(conversationIdOf({ ...group, guid: "any;+;chat123" }), "G1");
  assert.equal(conversationIdOf({ ...group, groupId: "G2", originalGroupId: "G1" }), "G1");
  assert.equal(conversationIdOf({ ...group, rowId: 9, identifier: "chat456" }), "G1");
  assert.equal(conversationIdOf({ ...group, groupId: null }), "chat123");
});

Deno.test("a group is recognised by its style, and by its guid only while there is no style", () => {
  assert.equal(isGroupChat(chat({ style: 43, guid: "any;-;x" })), true);
  assert.equal(isGroupChat(chat({ style: 45, guid: "any;+;chat1" })), false);
  assert.equal(isGroupChat(chat({ style: null, guid: "any;+;chat1" })), true);
  assert.equal(isGroupChat(chat({ style: null, guid: "any;-;+1555" })), false);
});

Deno.test("merged chats share one conversation with the newest name and all members", () => {
  const chats = [
    chat({ rowId: 1, style: 43, identifier: "chat1", groupId: "G", displayName: "Old name" }),
    chat({ rowId: 2, style: 43, identifier: "chat2", groupId: "G", displayName: "New name" }),
    chat({ rowId: 3, style: 43, identifier: "chat3", groupId: "G" }),
    chat({ rowId: 4 }),
    chat({ rowId: 5, guid: "SMS;-;+15550100001" }),
  ];
  const members = new Map([[1, ["a", "b"]], [2, ["b", "c"]], [4, ["+15550100001"]]]);
  const conversations = conversationsOf(chats, members);
  const group = conversations.get(1);
  assert.deepEqual(group, { id: "G", isGroup: true, displayName: "New name", participants: ["a", "b", "c"] });
  assert.ok(conversations.get(2) === group && conversations.get(3) === group);
  assert.ok(conversations.get(4) === conversations.get(5));
});

Deno.test("a direct chat without members has its handle as participant", () => {
  assert.deepEqual(conversationsOf([chat({})], new Map()).get(1)?.participants, ["+15550100001"]);
});

Deno.test("handles and aliases are normalized to one spelling", () => {
  assert.equal(plainAddress(" Ana@Example.COM "), "ana@example.com");
  assert.equal(plainAddress("DHL-Info"), "DHL-Info");
  assert.equal(normalizeAlias("E:Me@Example.com"), "me@example.com");
  assert.equal(normalizeAlias("p:+15550100000"), "+15550100000");
  assert.equal(normalizeAlias("+15550100000"), "+15550100000");
  assert.equal(normalizeAlias("e:"), null);
});

// Tests of whom `agent suggest` writes to: numbers and names in the spellings of people, Contacts and Messages.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type FixtureContact, writeAddressBook } from "../../tests/support/mac/address_book_fixture.ts";
import { ADA, GRACE, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";

async function macWith(
  cards: readonly FixtureContact[],
  texts: Record<string, string>,
): Promise<SuggestingMac> {
  const mac = await SuggestingMac.create();
  writeAddressBook(join(mac.dir, "AddressBook"), cards);
  for (const [person, text] of Object.entries(texts)) mac.receive(person, text);
  await mac.sync();
  return mac;
}

async function shown(mac: SuggestingMac, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await mac.run("suggest", ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("a conversation is found by its number as people write it, as Messages shows it, and as a link", async () => {
  await using mac = await macWith([], { "+15550407001": "Dinner?", [GRACE]: "Lunch?" });
  const spellings = [
    "+1 (555) 040-7001",
    "5550407001",
    "(555) 040-7001",
    "tel:+15550407001",
    "\u202a+1 555 040 7001\u202c",
  ];
  for (const spelling of spellings) {
    assert.match(await shown(mac, "--conversation", spelling), /^Message {4}Dinner\?$/m, spelling);
  }
  const unknown = await mac.run("suggest", "--conversation", "+44 555 040 7001");
  assert.match(unknown.stderr, /^The server has no such conversation\. /, "another country's number");
});

Deno.test("a card's national number names its handle, whatever the language of the system", async () => {
  const cards = [{ firstName: "Oma", phones: ["0171 1234567"] }, {
    firstName: "Amélie",
    phones: ["06 39 98 00 01"],
  }];
  await using mac = await macWith(cards, { "+491711234567": "Kuchen?", "+33639980001": "Un café ?" });
  assert.match(await shown(mac, "--conversation", "Oma"), /^To {9}Oma$/m);
  assert.match(await shown(mac, "--conversation", "Amélie"), /^To {9}Amélie$/m);
  const { contacts } = mac.services().readAddressBook();
  assert.deepEqual(contacts.map(({ phoneNumber }) => phoneNumber), ["+33639980001", "+491711234567"]);
  assert.match(JSON.stringify(mac.served.app.ml.generated), /Oma/, "the server has the name as well");
});

Deno.test("a card's number that nothing completes stays as it was typed", async () => {
  await using mac = await macWith([{ firstName: "Amélie", phones: ["06 39 98 00 01"] }], {
    [ADA]: "Dinner?",
  });
  const { contacts } = mac.services().readAddressBook();
  assert.deepEqual(contacts.map(({ phoneNumber }) => phoneNumber), ["0639980001"]);
});

Deno.test("a Mexican number of the old form keeps its digits, and its card its name", async () => {
  await using mac = await macWith([{ firstName: "Frida", phones: ["+52 1 55 1234 5678"] }], {
    "+5215512345678": "¿Cena?",
  });
  assert.match(await shown(mac, "--conversation", "Frida"), /^To {9}Frida$/m);
  assert.equal(mac.services().readAddressBook().contacts[0]?.phoneNumber, "+5215512345678");
});

Deno.test("handles with, without and with half a country code are one person and one conversation", async () => {
  const texts = { "+15550306001": "One", "5550306001": "Two", "15550306001": "Three" };
  await using mac = await macWith([{ firstName: "Bo", phones: ["(555) 030-6001"] }], texts);
  const { conversations } = await (await mac.client()).conversations({ pageSize: 9 });
  assert.deepEqual(
    conversations.map((
      { imessageId, participantIds, messageCount },
    ) => [imessageId, participantIds, messageCount]),
    [
      ["+15550306001", ["+15550306001"], 3],
    ],
  );
  assert.match(await shown(mac), /^To {9}Bo\nMessage {4}One\n {11}Two\n {11}Three$/m);
});

Deno.test("a name that means several conversations of one person is the newest, and says which", async () => {
  const cards = [{ firstName: "Ada", lastName: "Lovelace", phones: [ADA], emails: ["ada@example.com"] }];
  await using mac = await macWith(cards, { [ADA]: "By phone", "ada@example.com": "By mail" });
  assert.match(
    await shown(mac, "--conversation", "ada lovelace"),
    /^To {9}Ada Lovelace\n {11}the newest of 2 conversations, with ada@example\.com\nMessage {4}By mail$/m,
  );
  writeAddressBook(join(mac.dir, "AddressBook/Sources/copy"), cards);
  mac.receive(ADA, "By phone again");
  await mac.sync();
  assert.match(
    await shown(mac, "--conversation", "Ada Lovelace"),
    /^ {11}the newest of 2 conversations, with \+15550100001$/m,
  );
});

Deno.test("a group that became another kind of chat is found by its name, and two groups of different people are not one", async () => {
  await using mac = await macWith([], { [ADA]: "Dinner?" });
  const group = (id: string, participants: string[], text: string) => {
    const chat = mac.db.addChat({ identifier: id, displayName: "Trip", participants });
    mac.db.addMessage({ chat, from: ADA, text, sentAt: new Date(Date.now() - 1_000) });
  };
  group("chat1", [ADA, GRACE], "Who drives?");
  group("chat2", [GRACE, ADA], "Who cooks?");
  await mac.sync();
  assert.match(await shown(mac, "--conversation", "trip"), /^ {11}the newest of 2 conversations$/m);
  group("chat3", [ADA, "+15550100003"], "Who else?");
  await mac.sync();
  assert.match(
    (await mac.run("suggest", "--conversation", "trip")).stderr,
    /^3 conversations have this name\. /,
  );
});

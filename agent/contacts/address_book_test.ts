// Reads real AddressBook files in WAL mode: every source, every model, every way a source can fail.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import {
  accountSourceFolder,
  createAddressBookSource,
  type FixtureContact,
  SOURCE_FILE,
  type SourceOptions,
  writeAddressBook,
} from "../../tests/support/mac/address_book_fixture.ts";
import { runBoundByFileModes } from "../../tests/support/process/bound_process.ts";
import { syncContactSchema } from "../../contract/sync.ts";
import { type AddressBook, type Contact, readAddressBook } from "./address_book.ts";
import { KnownAddresses } from "./same_address.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const PICTURE = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]);
const PICTURE_HASH = createHash("sha256").update(PICTURE).digest("hex");

function writeSource(folder: string, contacts: readonly FixtureContact[], options: SourceOptions = {}): void {
  using source = createAddressBookSource(folder, options);
  for (const contact of contacts) source.addContact(contact);
}

const read = (root: string): AddressBook =>
  readAddressBook(root, { addresses: new KnownAddresses([], { region: "US" }) });
const codes = ({ problems }: AddressBook) => problems.map(({ code }) => code);
const handleOf = ({ phoneNumber, email }: Contact) => phoneNumber ?? email;
const namesByHandle = ({ contacts }: AddressBook) =>
  Object.fromEntries(contacts.map((contact) => [handleOf(contact), contact.displayName]));

Deno.test("each number and address of a card becomes one contact in chat.db's spelling", () =>
  inTempDir((root) => {
    const phones = [
      { value: "(555) 010-1234 ext 3", label: "Mobile" },
      "+44 20 7946 0018",
      "262966",
      "call me",
    ];
    const emails = [{ value: " Ana.Silva@Example.COM ", label: "my own" }, "not an address"];
    writeAddressBook(root, [{ firstName: "Ana", lastName: "Silva", phones, emails }]);
    const book = read(root);
    assert.deepEqual(codes(book), []);
    assert.equal(book.readSources, 2);
    const contact = {
      appleId: null,
      email: null,
      displayName: "Ana Silva",
      avatarHash: null,
      person: "Ana Silva +15550101234",
      isMe: false,
      label: null,
    };
    assert.deepEqual(book.contacts, [
      { ...contact, phoneNumber: "+15550101234", label: "Mobile" },
      { ...contact, phoneNumber: "+442079460018" },
      { ...contact, phoneNumber: "262966" },
      { ...contact, phoneNumber: null, email: "ana.silva@example.com", label: "my own" },
    ]);
    for (const wire of book.contacts) syncContactSchema.parse(wire);
  }));

Deno.test("a contact is named by first and last name, else nickname, else organisation, else handle", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "Ana", lastName: "Silva", nickname: "An", phones: ["+15550100001"] },
      { firstName: "Bo", organization: "Works", phones: ["+15550100002"] },
      { nickname: "Cy", organization: "Works", phones: ["+15550100003"] },
      { organization: "Works", firstName: " ", phones: ["+15550100004"] },
      { phones: ["+15550100005"] },
    ]);
    assert.deepEqual(namesByHandle(read(root)), {
      "+15550100001": "Ana Silva",
      "+15550100002": "Bo",
      "+15550100003": "Cy",
      "+15550100004": "Works",
      "+15550100005": "+15550100005",
    });
  }));

Deno.test("a name has the card's own order, else that of its script; a company's card has the company's name", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "太郎", lastName: "山田", phones: ["+15550100001"] },
      { firstName: "민수", lastName: "김", phones: ["+15550100002"] },
      { firstName: "Béla", lastName: "Bartók", displayFlags: 16, phones: ["+15550100003"] },
      { firstName: "太郎", lastName: "山田", displayFlags: 32, phones: ["+15550100004"] },
      { firstName: "Ana", lastName: "Silva", displayFlags: 0, phones: ["+15550100005"] },
      { firstName: "太郎", lastName: "Smith", phones: ["+15550100006"] },
      { firstName: "Ana", organization: "Works", displayFlags: 1, phones: ["+15550100007"] },
    ]);
    assert.deepEqual(Object.values(namesByHandle(read(root))), [
      "山田 太郎",
      "김 민수",
      "Bartók Béla",
      "太郎 山田",
      "Ana Silva",
      "太郎 Smith",
      "Works",
    ]);
  }));

Deno.test("a national number is completed with the country of the region", () =>
  inTempDir((root) => {
    writeAddressBook(root, [{ firstName: "Oma", phones: ["0151 55501234", "0043 664 1234567"] }]);
    const { contacts } = readAddressBook(root, { addresses: new KnownAddresses([], { region: "DE" }) });
    assert.deepEqual(contacts.map(handleOf), ["+436641234567", "+4915155501234"]);
  }));

Deno.test("numbers of two countries with the same last ten digits are two people", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "Ana", phones: ["+1 201 555 0123"] },
      { firstName: "Bo", phones: ["+44 2015550123"] },
    ]);
    assert.deepEqual(namesByHandle(read(root)), { "+12015550123": "Ana", "+442015550123": "Bo" });
  }));

Deno.test("entity numbers and owner columns are found by name, and only people are contacts", () =>
  inTempDir((root) => {
    const models: SourceOptions[] = [{}, { entityOffset: -1 }, { entityOffset: 40, typedOwnerOnly: true }];
    for (const [index, options] of models.entries()) {
      writeSource(accountSourceFolder(root, `ACCOUNT-${index}`), [
        { firstName: "Group", phones: ["+15550100100"], entity: "ABCDGroup" },
        { firstName: `Model ${index}`, phones: [`+1555010000${index}`] },
        {
          firstName: `Subscribed ${index}`,
          emails: [`s${index}@example.com`],
          entity: "ABCDSubscribedContact",
        },
      ], options);
    }
    const book = read(root);
    assert.deepEqual(codes(book), []);
    assert.deepEqual(Object.values(namesByHandle(book)).sort(), [
      "Model 0",
      "Model 1",
      "Model 2",
      "Subscribed 0",
      "Subscribed 1",
      "Subscribed 2",
    ]);
  }));

Deno.test("one handle in several sources is one contact, named by the most complete card", () =>
  inTempDir((root) => {
    const phones = ["+15550100001"];
    writeSource(accountSourceFolder(root, "A"), [{ organization: "Plumber", phones }]);
    writeSource(accountSourceFolder(root, "B"), [{ firstName: "Ana", lastName: "Silva", phones }]);
    writeSource(accountSourceFolder(root, "C"), [
      { firstName: "Ana", lastName: "Silva", phones, thumbnail: { bytes: PICTURE, stored: "inline" } },
    ]);
    writeSource(root, [{ firstName: "An old", lastName: "copy", phones }]);
    const { contacts, readSources } = read(root);
    assert.equal(readSources, 4);
    assert.equal(contacts.length, 1);
    assert.equal(contacts[0]?.displayName, "Ana Silva");
    assert.equal(contacts[0]?.avatarHash, PICTURE_HASH);
  }));

Deno.test("the owner's card is marked", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "Sam", phones: ["+15550100000"], emails: ["sam@example.com"], isMe: true },
      { firstName: "Ana", phones: ["+15550100001"] },
    ]);
    assert.deepEqual(read(root).contacts.filter(({ isMe }) => isMe).map(handleOf), [
      "+15550100000",
      "sam@example.com",
    ]);
  }));

Deno.test("a picture has one hash wherever it is stored, and none when its file is missing", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "Inline", phones: ["+15550100001"], thumbnail: { bytes: PICTURE, stored: "inline" } },
      { firstName: "File", phones: ["+15550100002"], thumbnail: { bytes: PICTURE, stored: "external" } },
      { firstName: "Full size", phones: ["+15550100003"], image: { bytes: PICTURE, stored: "external" } },
      { firstName: "None", phones: ["+15550100004"] },
    ]);
    const hashes = () => read(root).contacts.map(({ avatarHash }) => avatarHash);
    assert.deepEqual(hashes(), [PICTURE_HASH, PICTURE_HASH, PICTURE_HASH, null]);
    const account = [...Deno.readDirSync(`${root}/Sources`)][0]?.name ?? "";
    Deno.removeSync(`${root}/Sources/${account}/.AddressBook-v22_SUPPORT`, { recursive: true });
    assert.deepEqual(hashes(), [PICTURE_HASH, null, null, null]);
  }));

Deno.test("a picture stored without a frame has the same hash, and bytes that are not a picture have none", () =>
  inTempDir((root) => {
    using source = createAddressBookSource(root);
    source.addContact({ firstName: "Ana", phones: ["+15550100001"] });
    const store = source.sqlite.prepare("UPDATE ZABCDRECORD SET ZTHUMBNAILIMAGEDATA = ?");
    const hash = () => read(root).contacts[0]?.avatarHash;
    store.run(PICTURE);
    assert.equal(hash(), PICTURE_HASH);
    for (const none of [new Uint8Array(), Uint8Array.of(1), Uint8Array.of(2, 0), null]) {
      store.run(none);
      assert.equal(hash(), null);
    }
  }));

Deno.test("a picture's file name cannot point outside its folder", () =>
  inTempDir((root) => {
    Deno.writeFileSync(`${root}/secret`, PICTURE);
    using source = createAddressBookSource(root);
    source.addContact({ firstName: "Eve", phones: ["+15550100001"] });
    const name = Uint8Array.of(2, ...new TextEncoder().encode("../../secret"), 0);
    source.sqlite.prepare("UPDATE ZABCDRECORD SET ZTHUMBNAILIMAGEDATA = ?").run(name);
    assert.equal(read(root).contacts[0]?.avatarHash, null);
  }));

Deno.test("cards that another program has just written to the write-ahead log are read, and reading changes nothing", () =>
  inTempDir((root) => {
    using source = createAddressBookSource(root);
    source.sqlite.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const before = Deno.readFileSync(source.path);
    source.addContact({ firstName: "Ana", phones: ["+15550100001"] });
    assert.deepEqual(namesByHandle(read(root)), { "+15550100001": "Ana" });
    assert.deepEqual(Deno.readFileSync(source.path), before);
  }));

Deno.test("a damaged, foreign or empty source is a problem of its own and the others are read", () =>
  inTempDir((root) => {
    writeSource(accountSourceFolder(root, "GOOD"), [{ firstName: "Ana", phones: ["+15550100001"] }]);
    const broken = (name: string, write: (path: string) => void) => {
      const folder = accountSourceFolder(root, name);
      Deno.mkdirSync(folder);
      write(`${folder}/${SOURCE_FILE}`);
    };
    broken("EMPTY", (path) => Deno.writeFileSync(path, new Uint8Array()));
    broken("FOREIGN", (path) => {
      const other = new DatabaseSync(path);
      other.exec("CREATE TABLE notes (text TEXT)");
      other.close();
    });
    broken("GARBAGE", (path) => Deno.writeTextFileSync(path, "no database at all"));
    broken("TRUNCATED", (path) => {
      Deno.copyFileSync(`${accountSourceFolder(root, "GOOD")}/${SOURCE_FILE}`, path);
      Deno.truncateSync(path, 3_000);
    });
    Deno.mkdirSync(accountSourceFolder(root, "WITHOUT-FILE"));
    const book = read(root);
    assert.deepEqual(namesByHandle(book), { "+15550100001": "Ana" });
    assert.equal(book.readSources, 1);
    assert.deepEqual(
      book.problems.map(({ code, path }) => [path.split("/").at(-2), code]),
      [["EMPTY", "damaged"], ["FOREIGN", "not_an_address_book"], ["GARBAGE", "not_an_address_book"], [
        "TRUNCATED",
        "damaged",
      ]],
    );
    for (const { message } of book.problems) assert.doesNotMatch(message, /Ana|\+1555/);
  }));

Deno.test("a source with an overwritten page is damaged", () =>
  inTempDir((root) => {
    const contacts = Array.from(
      { length: 2_000 },
      (_, index) => ({ firstName: `Person ${index}`, phones: [`+1555${1_000_000 + index}`] }),
    );
    using source = createAddressBookSource(root);
    for (const contact of contacts) source.addContact(contact);
    source.sqlite.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    source.close();
    const file = Deno.openSync(source.path, { write: true });
    file.seekSync(40 * 4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(30 * 4096).fill(0xa5));
    file.close();
    assert.deepEqual(codes(read(root)), ["damaged"]);
  }));

Deno.test("no folder, a folder without sources and a forbidden one are three different problems", () =>
  inTempDir(async (root) => {
    assert.deepEqual(codes(read(`${root}/absent`)), ["missing"]);
    Deno.mkdirSync(`${root}/empty/Sources`, { recursive: true });
    assert.deepEqual(codes(read(`${root}/empty`)), ["no_sources"]);
    writeAddressBook(`${root}/forbidden`, [{ firstName: "Ana", phones: ["+15550100001"] }]);
    await Deno.chmod(`${root}/forbidden`, 0);
    assert.deepEqual(await codesWhenModesBind(`${root}/forbidden`), ["permission_denied"]);
    await Deno.chmod(`${root}/forbidden`, 0o755);
    await Deno.chmod(`${root}/forbidden/${SOURCE_FILE}`, 0);
    assert.deepEqual(await codesWhenModesBind(`${root}/forbidden`), ["permission_denied"]);
  }));

/** The problems' codes that a reader gets whom file modes bind, whoever runs this test. */
async function codesWhenModesBind(root: string): Promise<string[]> {
  const module = new URL("./address_book.ts", import.meta.url).href;
  const output = await runBoundByFileModes(`
    import { readAddressBook } from ${JSON.stringify(module)};
    const { problems } = readAddressBook(${JSON.stringify(root)});
    await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(problems.map(({ code }) => code))));`);
  return JSON.parse(output);
}

Deno.test("the addresses of one card are one person's; those of a company, a family, a namesake or the owner are not", () =>
  inTempDir((root) => {
    writeAddressBook(root, [
      { firstName: "Ada", lastName: "Li", phones: ["+15550100001"], emails: ["ada@example.com"] },
      { firstName: "Ada", lastName: "Li", phones: ["+15550100002"], emails: ["other.ada@example.com"] },
      { firstName: "Bo", phones: ["+15550100003", "+15550100009"], emails: ["bo@example.com"] },
      { firstName: "Cy", phones: ["+15550100009"], emails: ["cy@example.com"] },
      { organization: "Acme", displayFlags: 1, phones: ["+15550100005"], emails: ["help@example.com"] },
      { firstName: "Me", isMe: true, phones: ["+15550100006"], emails: ["me@example.com"] },
      { firstName: "Di", phones: ["+15550100007"] },
    ]);
    const people = Map.groupBy(read(root).contacts, ({ person }) => person);
    const alone = people.get(null)?.map(handleOf) ?? [];
    people.delete(null);
    assert.deepEqual([...people.values()].map((contacts) => contacts.map(handleOf)), [
      ["+15550100001", "ada@example.com"],
      ["+15550100002", "other.ada@example.com"],
      ["+15550100003", "bo@example.com"],
    ]);
    assert.deepEqual(alone, [
      "+15550100005",
      "+15550100006",
      "+15550100007",
      "+15550100009",
      "cy@example.com",
      "help@example.com",
      "me@example.com",
    ]);
  }));

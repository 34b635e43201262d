/** Writes AddressBook sources for tests and the demo: the tables of macOS 26, WAL mode, photos inline and as files. */
import { DatabaseSync } from "node:sqlite";
import { closeKeepingWal } from "../chat_db/sqlite_wal.ts";

/** File name of every source, and the folder of its large blobs. */
export const SOURCE_FILE = "AddressBook-v22.abcddb";
const EXTERNAL_DATA_FOLDER = ".AddressBook-v22_SUPPORT/_EXTERNAL_DATA";
/** First byte of an image column: the image follows, or the name of a file beside the database does. */
const INLINE_FRAME = 0x01;
const EXTERNAL_FRAME = 0x02;

/** Names of the record classes that this fixture writes. */
export type EntityName =
  | "ABCDRecord"
  | "ABCDContact"
  | "ABCDSubscribedContact"
  | "ABCDGroup"
  | "CNCDContainer"
  | "ABCDPhoneNumber"
  | "ABCDEmailAddress";

/** Z_ENT of groups, contacts and containers in the macOS 26 model; the other three are arbitrary. Models differ. */
const ENTITIES: Record<EntityName, number> = {
  ABCDRecord: 18,
  ABCDGroup: 19,
  ABCDContact: 22,
  ABCDSubscribedContact: 23,
  CNCDContainer: 25,
  ABCDPhoneNumber: 14,
  ABCDEmailAddress: 8,
};

const BUILT_IN_LABELS = new Set(["Mobile", "Home", "Work", "Main", "Other", "iPhone"]);

export interface SourceOptions {
  /** Adds this to every entity number, as an older or newer model would. */
  entityOffset?: number;
  /** Leaves the plain ZOWNER column out, so that only the typed one (`Z22_OWNER`) names the owner. */
  typedOwnerOnly?: boolean;
}

export interface LabelledValue {
  value: string;
  /** `Mobile`, `Home`, ..., stored as Apple does, `_$!<Mobile>!$_`; any other words are stored as they are. */
  label?: string;
}

export interface FixtureContact {
  firstName?: string;
  middleName?: string;
  lastName?: string;
  nickname?: string;
  organization?: string;
  /** `ZDISPLAYFLAGS`: 1 for a company, 16 for the last name first, 32 for the first name first. */
  displayFlags?: number;
  /** Numbers in any notation. */
  phones?: readonly (string | LabelledValue)[];
  emails?: readonly (string | LabelledValue)[];
  /** The owner's own card. */
  isMe?: boolean;
  thumbnail?: { bytes: Uint8Array; stored: "inline" | "external" };
  /** A full-size image, which some cards have instead of a thumbnail. */
  image?: { bytes: Uint8Array; stored: "inline" | "external" };
  /** The class of the record; by default an ordinary contact. */
  entity?: "ABCDContact" | "ABCDSubscribedContact" | "ABCDGroup";
}

/** Creates the source database in `folder`, which is made when it is missing. */
export function createAddressBookSource(folder: string, options: SourceOptions = {}): AddressBookSource {
  Deno.mkdirSync(folder, { recursive: true });
  return new AddressBookSource(folder, options);
}

/** The folder of an account's source inside the AddressBook folder `root`. */
export function accountSourceFolder(root: string, accountUuid: string): string {
  return `${root}/Sources/${accountUuid}`;
}

/** Writes `contacts` as the one account of the AddressBook folder `root`, beside an empty "On My Mac" source. */
export function writeAddressBook(root: string, contacts: readonly FixtureContact[]): void {
  createAddressBookSource(root).close();
  const source = createAddressBookSource(accountSourceFolder(root, "6B9B2F2E-50B2-4D0A-9F6F-0C1D2E3F4A5B"));
  for (const contact of contacts) source.addContact(contact);
  source.close();
}

/** One AddressBook source being written; rows stay in its `-wal`. */
export class AddressBookSource implements Disposable {
  readonly path: string;
  readonly sqlite: DatabaseSync;
  readonly #folder: string;
  readonly #entityOffset: number;
  readonly #typedOwnerOnly: boolean;
  readonly #typedOwner: string;
  #closed = false;
  #externalCount = 0;

  constructor(folder: string, options: SourceOptions) {
    this.#folder = folder;
    this.path = `${folder}/${SOURCE_FILE}`;
    this.#entityOffset = options.entityOffset ?? 0;
    this.#typedOwnerOnly = options.typedOwnerOnly ?? false;
    this.#typedOwner = `Z${this.entity("ABCDContact")}_OWNER`;
    this.sqlite = new DatabaseSync(this.path);
    this.sqlite.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
    const owners = this.#typedOwnerOnly ? this.#typedOwner : `ZOWNER INTEGER, ${this.#typedOwner}`;
    for (const sql of schemaStatements(owners)) this.sqlite.exec(sql);
    for (const name of Object.keys(ENTITIES) as EntityName[]) {
      this.#insert("Z_PRIMARYKEY", { Z_ENT: this.entity(name), Z_NAME: name, Z_SUPER: 0, Z_MAX: 0 });
    }
  }

  /** Z_ENT of `name` in this source. */
  entity(name: EntityName): number {
    return ENTITIES[name] + this.#entityOffset;
  }

  /** Adds a contact with its numbers and addresses. Returns its Z_PK. */
  addContact(contact: FixtureContact): number {
    const owner = this.#insert("ZABCDRECORD", {
      Z_ENT: this.entity(contact.entity ?? "ABCDContact"),
      ZFIRSTNAME: contact.firstName,
      ZMIDDLENAME: contact.middleName,
      ZLASTNAME: contact.lastName,
      ZNICKNAME: contact.nickname,
      ZORGANIZATION: contact.organization,
      ZDISPLAYFLAGS: contact.displayFlags,
      ZTHUMBNAILIMAGEDATA: this.#image(contact.thumbnail),
      ZIMAGEDATA: this.#image(contact.image),
      ZCONTAINERWHERECONTACTISME: contact.isMe ? this.#container() : undefined,
    });
    this.sqlite.prepare("UPDATE ZABCDRECORD SET ZUNIQUEID = ? WHERE Z_PK = ?").run(
      `${uuidOf(owner)}:ABPerson`,
      owner,
    );
    const phones = contact.phones ?? [];
    for (const [index, { value, label }] of phones.map(labelled).entries()) {
      const row = { ZFULLNUMBER: value, ZLASTFOURDIGITS: value.replaceAll(/\D/g, "").slice(-4) };
      this.#insert("ZABCDPHONENUMBER", {
        ...this.#owned("ABCDPhoneNumber", { owner, index, label }),
        ...row,
      });
    }
    const emails = contact.emails ?? [];
    for (const [index, { value, label }] of emails.map(labelled).entries()) {
      const row = { ZADDRESS: value, ZADDRESSNORMALIZED: value.toLowerCase() };
      this.#insert("ZABCDEMAILADDRESS", {
        ...this.#owned("ABCDEmailAddress", { owner, index, label }),
        ...row,
      });
    }
    return owner;
  }

  /** Closes the source; its newest rows stay in the `-wal` file. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeKeepingWal(this.sqlite, this.path);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #owned(entity: EntityName, row: { owner: number; index: number; label?: string }): Row {
    return {
      Z_ENT: this.entity(entity),
      ZISPRIMARY: Number(row.index === 0),
      ZORDERINGINDEX: row.index,
      ...(this.#typedOwnerOnly
        ? { [this.#typedOwner]: row.owner }
        : { ZOWNER: row.owner, [this.#typedOwner]: this.entity("ABCDContact") }),
      ZLABEL: BUILT_IN_LABELS.has(row.label ?? "") ? `_$!<${row.label}>!$_` : row.label,
    };
  }

  #container(): number {
    return this.#insert("ZABCDRECORD", { Z_ENT: this.entity("CNCDContainer"), ZNAME: "Contacts" });
  }

  #image(image: FixtureContact["thumbnail"]): Uint8Array | undefined {
    if (!image) return undefined;
    if (image.stored === "inline") return Uint8Array.of(INLINE_FRAME, ...image.bytes);
    const name = uuidOf(1_000_000 + this.#externalCount++);
    const folder = `${this.#folder}/${EXTERNAL_DATA_FOLDER}`;
    Deno.mkdirSync(folder, { recursive: true });
    Deno.writeFileSync(`${folder}/${name}`, image.bytes);
    return Uint8Array.of(EXTERNAL_FRAME, ...new TextEncoder().encode(name), 0);
  }

  #insert(table: string, row: Row): number {
    const entries = Object.entries(row).filter(([, value]) => value !== undefined);
    const sql = `INSERT INTO ${table} (${entries.map(([column]) => column).join()}) VALUES (${
      entries.map(() => "?").join()
    })`;
    return Number(this.sqlite.prepare(sql).run(...entries.map(([, value]) => value ?? null)).lastInsertRowid);
  }
}

type Row = Record<string, string | number | Uint8Array | undefined>;

function labelled(value: string | LabelledValue): LabelledValue {
  return typeof value === "string" ? { value } : value;
}

/** A UUID that depends on `number` alone. */
function uuidOf(number: number): string {
  return `A0B1C2D3-0000-4000-8000-${number.toString(16).padStart(12, "0")}`.toUpperCase();
}

const INTEGERS = (names: string) => names.split(" ").map((name) => `${name} INTEGER`).join(", ");
const TEXTS = (names: string) => names.split(" ").map((name) => `${name} VARCHAR`).join(", ");
const BLOBS = (names: string) => names.split(" ").map((name) => `${name} BLOB`).join(", ");

/** Tables as macOS 26.6 has them; of ZABCDRECORD the columns that a reader of contacts may look at. */
function schemaStatements(owners: string): string[] {
  const key = "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER";
  const owned = `${key}, ${
    INTEGERS("ZIOSLEGACYIDENTIFIER ZISPRIMARY ZISPRIVATE ZORDERINGINDEX")
  }, ${owners} INTEGER`;
  return [
    "CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER)",
    `CREATE TABLE ZABCDRECORD (${key}, ${
      INTEGERS(
        "ZCREATIONDATEYEAR ZDISPLAYFLAGS ZIOSLEGACYIDENTIFIER ZSYNCSTATUS ZCONTAINER ZPREFERREDFORLINKNAME " +
          "ZPREFERREDFORLINKPHOTO ZCONTACTINDEX ZCONTAINER1 ZCONTAINERWHERECONTACTISME ZNOTE ZTYPE ZME Z22_ME",
      )
    }, ZCREATIONDATE TIMESTAMP, ZMODIFICATIONDATE TIMESTAMP, ZBIRTHDAY TIMESTAMP, ${
      TEXTS(
        "ZEXTERNALUUID ZUNIQUEID ZNAME ZFIRSTNAME ZMIDDLENAME ZLASTNAME ZMAIDENNAME ZNICKNAME ZORGANIZATION " +
          "ZDEPARTMENT ZJOBTITLE ZTITLE ZSUFFIX ZPHONETICFIRSTNAME ZPHONETICLASTNAME ZSORTINGFIRSTNAME " +
          "ZSORTINGLASTNAME ZLINKID ZIMAGETYPE ZIMAGEREFERENCE",
      )
    }, ${BLOBS("ZIMAGEDATA ZIMAGEHASH ZTHUMBNAILIMAGEDATA ZAVATARRECIPEDATA")})`,
    `CREATE TABLE ZABCDPHONENUMBER (${owned}, ${
      TEXTS("ZAREACODE ZCOUNTRYCODE ZEXTENSION ZFULLNUMBER ZLABEL ZLASTFOURDIGITS ZLOCALNUMBER ZUNIQUEID")
    })`,
    `CREATE TABLE ZABCDEMAILADDRESS (${owned}, ${TEXTS("ZADDRESS ZADDRESSNORMALIZED ZLABEL ZUNIQUEID")})`,
  ];
}

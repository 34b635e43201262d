/** Edits and unsends in the chat.db fixture, as macOS 13 and later store them: new body, date_edited, summary info. */
import { type BodyPart, encodeBody, partIndexes, plainText } from "./body.ts";
import type { ChatDb, Message, Moment } from "./chat_db_fixture.ts";
import { encodePlist, type PlistValue, Real } from "./binary_plist_writer.ts";

export interface EditOptions {
  message: Message;
  at: Moment;
  /** The new text of the part; give `parts` instead for one with attributes. */
  text?: string;
  parts?: readonly BodyPart[];
  /** Index of the edited part; the default is the first. */
  part?: number;
  /** False leaves date_edited at 0, as in some rows although `ec` records the edit. */
  setDateEdited?: boolean;
}

export interface UnsendOptions {
  message: Message;
  at: Moment;
  /** Part indexes to retract; by default all of them. */
  parts?: readonly number[];
}

type IndexedPart = { body: BodyPart; index: number };
type Version = { at: Date; body: Uint8Array };

/** The contents of message_summary_info, remembered for the message's next change. */
interface History {
  original: readonly IndexedPart[];
  current: IndexedPart[];
  versions: Map<number, Version[]>;
  retracted: Set<number>;
}

const histories = new WeakMap<Message, History>();

/** Edits one part: the row keeps its ROWID, guid and date; `text` becomes NULL and the body the new one. */
export function editMessage(db: ChatDb, options: EditOptions): void {
  const { message, part = 0 } = options;
  const history = historyOf(db, message);
  const replacement = options.parts ?? [options.text ?? ""];
  const versions = history.versions.get(part) ??
    [{ at: message.sentAt, body: encodePart(history.current, part) }];
  const at = history.current.findIndex(({ index }) => index === part);
  if (at < 0) throw new RangeError(`The message has no part ${part} to edit`);
  history.current = history.current.filter(({ index }) => index !== part);
  history.current.splice(at, 0, ...replacement.map((body) => ({ body, index: part })));
  history.versions.set(part, [...versions, {
    at: new Date(options.at),
    body: encodePart(history.current, part),
  }]);
  store(db, { message, at: options.at }, options.setDateEdited ?? true);
}

/** Unsends parts, by default all: date_retracted stays 0, `rp` names them, the rest keeps its part indexes. */
export function unsendMessage(db: ChatDb, options: UnsendOptions): void {
  const history = historyOf(db, options.message);
  for (const index of options.parts ?? history.current.map(({ index }) => index)) {
    history.retracted.add(index);
  }
  history.current = history.current.filter(({ index }) => !history.retracted.has(index));
  store(db, options, true);
}

function historyOf(db: ChatDb, message: Message): History {
  if (!db.store.has("message", "date_edited")) {
    throw new RangeError(`The ${db.store.generation} schema knows no edits: use ventura or newer`);
  }
  const known = histories.get(message);
  if (known) return known;
  const indexes = partIndexes(message.parts);
  const original = message.parts.map((body, position) => ({ body, index: indexes[position] ?? 0 }));
  const history = { original, current: [...original], versions: new Map(), retracted: new Set<number>() };
  histories.set(message, history);
  return history;
}

function store(
  db: ChatDb,
  { message, at }: { message: Message; at: Moment },
  setDateEdited: boolean,
): void {
  const history = historyOf(db, message);
  const set = {
    text: null,
    attributedBody: history.current.length > 0 ? encodeIndexed(history.current) : null,
    date_edited: setDateEdited ? db.store.appleDate(new Date(at)) : undefined,
    message_summary_info: encodePlist(summaryInfo(db, history)),
    part_count: new Set(history.current.map(({ index }) => index)).size,
  };
  db.store.update("message", { rowId: message.rowId, set });
}

function summaryInfo(db: ChatDb, history: History): PlistValue {
  const contents = [...history.versions].map(([part, versions]) => [
    String(part),
    versions.map(({ at, body }) => ({ d: new Real(db.store.appleSeconds(at)), t: body })),
  ]);
  return {
    amc: 0,
    ust: true,
    otr: originalRanges(history.original),
    ...(contents.length > 0 ? { ec: Object.fromEntries(contents), ep: [...history.versions.keys()] } : {}),
    ...(history.retracted.size > 0 ? { rp: [...history.retracted] } : {}),
  };
}

/** Location and length of each part in the original text, in UTF-16 units. */
function originalRanges(parts: readonly IndexedPart[]): Record<string, { lo: number; le: number }> {
  const ranges: Record<string, { lo: number; le: number }> = {};
  let location = 0;
  for (const { body, index } of parts) {
    const length = plainText([body]).length;
    const range = ranges[index] ??= { lo: location, le: 0 };
    range.le += length;
    location += length;
  }
  return ranges;
}

function encodePart(parts: readonly IndexedPart[], part: number): Uint8Array {
  return encodeIndexed(parts.filter(({ index }) => index === part));
}

function encodeIndexed(parts: readonly IndexedPart[]): Uint8Array {
  return encodeBody(
    parts.map(({ body, index }) =>
      typeof body === "string" ? { text: body, part: index } : { ...body, part: index }
    ),
    { mutable: true },
  );
}

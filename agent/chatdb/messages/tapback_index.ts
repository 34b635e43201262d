/** Indexes tapbacks in memory: which rows belong to which message. */

/** Slots of the filter: a quarter of a megabyte, of which a hundred thousand tapbacks fill a third. */
const SLOTS = 2 ** 18;
/** Guids are random from their first character on. */
const PREFIX_LENGTH = 6;

/**
 * ROWIDs of the tapbacks of each message, by its guid. Every message that is read is looked up and most have none, so
 * a filter by the first characters answers first: hashing entire guids for the map took a tenth of the reader's time.
 */
export class TapbackIndex {
  readonly #rowIds = new Map<string, number[]>();
  readonly #filter = new Uint8Array(SLOTS);

  add(guid: string, rowId: number): void {
    this.#filter[slotOf(guid)] = 1;
    const known = this.#rowIds.get(guid);
    if (known === undefined) this.#rowIds.set(guid, [rowId]);
    else if (!known.includes(rowId)) known.push(rowId);
  }

  remove(guid: string, rowId: number): void {
    const left = (this.#rowIds.get(guid) ?? []).filter((other) => other !== rowId);
    if (left.length > 0) this.#rowIds.set(guid, left);
    else this.#rowIds.delete(guid);
  }

  /** The tapbacks at none of these rows: the message of each, by its ROWID. */
  without(rowIds: ReadonlySet<number>): Map<number, string> {
    const missing = new Map<number, string>();
    for (const [guid, own] of this.#rowIds) {
      for (const rowId of own) if (!rowIds.has(rowId)) missing.set(rowId, guid);
    }
    return missing;
  }

  /** In the order they were added. */
  rowIdsOf(guid: string): readonly number[] {
    return this.#filter[slotOf(guid)] === 0 ? [] : this.#rowIds.get(guid) ?? [];
  }
}

function slotOf(guid: string): number {
  let slot = 0;
  for (let i = 0; i < PREFIX_LENGTH; i++) slot = slot * 31 + guid.charCodeAt(i) | 0;
  return slot & (SLOTS - 1);
}

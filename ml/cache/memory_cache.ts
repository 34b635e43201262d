/** The part of a cache that is in memory: the entries used last, bounded by count and by bytes. */
import { LRUCache } from "lru-cache";

export interface MemoryCacheOptions<Entry> {
  maxEntries: number;
  /** An entry that alone is larger is not kept. */
  maxBytes: number;
  sizeBytesOf: (key: string, entry: Entry) => number;
}

/**
 * Holds copies of entries of a slower store, and never one that was deleted there.
 *
 * A read of the store that began before a deletion may end after it: its entry is returned, but not kept.
 */
export class MemoryCache<Entry extends object> {
  readonly #entries: LRUCache<string, Entry>;
  #deletions = 0;

  constructor({ maxEntries, maxBytes, sizeBytesOf }: MemoryCacheOptions<Entry>) {
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: (entry, key) => sizeBytesOf(key, entry),
    });
  }

  get sizeBytes(): number {
    return this.#entries.calculatedSize;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Reads an entry from the store and keeps it; one that was written meanwhile stays. */
  async read(key: string, fromStore: () => Promise<Entry | null>): Promise<Entry | null> {
    const deletions = this.#deletions;
    const entry = await fromStore();
    if (entry !== null && deletions === this.#deletions && !this.#entries.has(key)) {
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** Keeps an entry once the store has it. */
  async write(key: string, entry: Entry, toStore: () => Promise<unknown>): Promise<void> {
    const deletions = this.#deletions;
    // What was kept under the key is no longer what the store holds, even when writing fails half-way.
    this.#entries.delete(key);
    await toStore();
    if (deletions === this.#deletions) this.#entries.set(key, entry);
    else this.#entries.delete(key);
  }

  /** Deletes the entries that match, here and in the store. */
  async delete<Result>(
    matches: (key: string, entry: Entry) => boolean,
    inStore: () => Promise<Result>,
  ): Promise<Result> {
    this.#deleteWhere(matches);
    try {
      return await inStore();
    } finally {
      this.#deleteWhere(matches);
    }
  }

  #deleteWhere(matches: (key: string, entry: Entry) => boolean): void {
    this.#deletions++;
    for (const [key, entry] of [...this.#entries.entries()]) {
      if (matches(key, entry)) this.#entries.delete(key);
    }
  }
}

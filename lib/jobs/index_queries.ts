/** Questions about a job queue in Deno KV that its index entries answer without reading a record. */
import type { JobState } from "./job_queue.ts";
import { idOfKey, type IndexValue, type JobKeys, type JobRecord } from "./record.ts";

/** Deno KV hands out at most this many entries at once (ext/kv/config.rs). */
const LIST_BATCH = 1000;

export type IndexEntry = Deno.KvEntry<IndexValue>;

async function countOf(entries: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of entries) count++;
  return count;
}

export class JobIndex {
  readonly #kv: Deno.Kv;
  readonly #keys: JobKeys;

  constructor(kv: Deno.Kv, keys: JobKeys) {
    this.#kv = kv;
    this.#keys = keys;
  }

  /** Jobs due at a time, in the order they should start. Read lazily: the caller stops when it has enough. */
  due(time: number): AsyncIterable<IndexEntry> {
    const { queued } = this.#keys;
    return this.#kv.list<IndexValue>({ prefix: queued, end: [...queued, time + 1] }, { batchSize: 10 });
  }

  /** When the next job after a time becomes due; null when none waits. */
  async nextDueAfter(time: number): Promise<number | null> {
    const { queued } = this.#keys;
    const later = this.#kv.list({ prefix: queued, start: [...queued, time + 1] }, { limit: 1 });
    for await (const { key } of later) return Number(key[queued.length]);
    return null;
  }

  running(): Promise<IndexEntry[]> {
    return Array.fromAsync(this.#kv.list<IndexValue>({ prefix: this.#keys.running }));
  }

  /** At most `limit` jobs that finished before a time, oldest first. */
  finishedBefore(time: number, limit: number): Promise<IndexEntry[]> {
    const { finished } = this.#keys;
    return Array.fromAsync(
      this.#kv.list<IndexValue>({ prefix: finished, end: [...finished, time] }, { limit }),
    );
  }

  /** Number of queued jobs that start before this one. */
  countBefore(record: JobRecord): Promise<number> {
    const ahead = { prefix: this.#keys.queued, end: this.#keys.index(record) };
    return countOf(this.#kv.list(ahead, { batchSize: LIST_BATCH }));
  }

  countQueued(): Promise<number> {
    return countOf(this.#kv.list({ prefix: this.#keys.queued }, { batchSize: LIST_BATCH }));
  }

  /** Number of jobs in each state. */
  async count(): Promise<Record<JobState, number>> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const prefix of [this.#keys.queued, this.#keys.running, this.#keys.finished]) {
      for await (const { value } of this.#kv.list<IndexValue>({ prefix }, { batchSize: LIST_BATCH })) {
        counts[value.state]++;
      }
    }
    return counts;
  }

  /** Ids of running jobs, then of queued ones in order, then of finished ones latest first; or of those in one state. */
  async ids(options: { state?: JobState; limit: number }): Promise<string[]> {
    const { state, limit } = options;
    const ids: string[] = [];
    for (const prefix of [this.#keys.running, this.#keys.queued, this.#keys.finished]) {
      const reverse = prefix === this.#keys.finished;
      for await (const { key, value } of this.#kv.list<IndexValue>({ prefix }, { reverse })) {
        if (ids.length === limit) return ids;
        if (state === undefined || value.state === state) ids.push(idOfKey(key));
      }
    }
    return ids;
  }
}

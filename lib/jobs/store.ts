/** The jobs of one queue in Deno KV: each change of a record, its index entry and its bodies is one atomic commit. */
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import type { PreparedBody } from "./bodies.ts";
import {
  type BodyName,
  idOfKey,
  type IndexValue,
  isFinal,
  JobKeys,
  type JobRecord,
  parseRecord,
} from "./record.ts";
import { addNotification, onNotification } from "./notifications.ts";

/** Deno KV reads at most this many entries in one batch of `list` (ext/kv/config.rs). */
const LIST_BATCH = 1000;

export type IndexEntry = Deno.KvEntry<IndexValue>;

export interface JobStoreOptions {
  kv: Deno.Kv;
  queue: string;
  clock: Clock;
  log: Logger;
}

export class JobStore {
  readonly keys: JobKeys;
  readonly #options: JobStoreOptions;
  readonly #kv: Deno.Kv;

  constructor(options: JobStoreOptions) {
    this.keys = new JobKeys(options.queue);
    this.#options = options;
    this.#kv = options.kv;
  }

  /** Adds a record with its payload; false when the id is taken. */
  async insert(record: JobRecord, payload: PreparedBody): Promise<boolean> {
    const operation = this.#kv.atomic().check({ key: this.keys.record(record.id), versionstamp: null });
    this.#put(operation, record, { payload });
    return (await operation.commit()).ok;
  }

  /** The record of a job; null when there is none, or none that can be read, which is logged. */
  async read(id: string): Promise<JobRecord | null> {
    return this.#parse(await this.#kv.get(this.keys.record(id)));
  }

  /** Yields the record now and after each visible change; ends when it is final or gone, or when the signal aborts. */
  async *watch(id: string, signal: AbortSignal | undefined): AsyncGenerator<JobRecord> {
    if (signal?.aborted) return;
    const changes = this.#kv.watch<unknown[]>([this.keys.record(id)]).getReader();
    const end = () => void changes.cancel();
    signal?.addEventListener("abort", end);
    let seen = "";
    try {
      while (true) {
        const { value } = await changes.read();
        const record = value?.[0] ? this.#parse(value[0]) : null;
        if (record === null) return;
        const { state, attempts, dueAt, waiting, progress } = record;
        const visible = JSON.stringify([state, attempts, dueAt, waiting, progress]);
        if (visible !== seen) yield record;
        seen = visible;
        if (isFinal(state)) return;
      }
    } finally {
      signal?.removeEventListener("abort", end);
      await changes.cancel();
    }
  }

  /**
   * Changes a record, together with its result if given, unless `change` returns null. Resolves to the new record.
   * An index entry that leads to no readable record is put aside until it expires.
   */
  async update(
    id: string,
    change: (record: JobRecord) => JobRecord | null,
    options: { result?: PreparedBody; listed?: IndexEntry } = {},
  ): Promise<JobRecord | null> {
    // A commit fails when another change of this process came between reading and writing.
    while (true) {
      const entry = await this.#kv.get(this.keys.record(id));
      const record = this.#parse(entry);
      if (record === null && options.listed !== undefined) await this.#putAside(options.listed);
      const next = record && change(record);
      if (record === null || next === null) return null;
      const operation = this.#kv.atomic().check(entry).delete(this.keys.index(record));
      this.#put(operation, next, options);
      if (isFinal(next.state)) operation.delete(this.keys.body(id, "payload"));
      if ((await operation.commit()).ok) return next;
    }
  }

  /** Deletes all that KV holds of an ended job, readable or not, and the index entry that led to it; false when it had no record. */
  async erase(id: string, listed?: IndexEntry): Promise<boolean> {
    const stored = await this.#kv.get(this.keys.record(id));
    const record = parseRecord(stored.value, id);
    const operation = this.#kv.atomic().check(stored).delete(stored.key)
      .delete(this.keys.body(id, "payload")).delete(this.keys.body(id, "result"));
    if (listed !== undefined) operation.delete(listed.key);
    if (record !== null) operation.delete(this.keys.index(record));
    return (await operation.commit()).ok && stored.versionstamp !== null;
  }

  /** Calls `wake` when a job has become due, and now and then without cause, until the returned function is called. */
  onNotification(wake: () => void): () => void {
    return onNotification(this.#kv, { ...this.#options, wake });
  }

  /** Jobs due at a time, in the order they should start. Read lazily: the caller stops when it has enough. */
  due(time: number): AsyncIterable<IndexEntry> {
    const prefix = this.keys.prefix("queued");
    return this.#kv.list<IndexValue>({ prefix, end: [...prefix, time + 1] }, { batchSize: 10 });
  }

  /** When the next job after a time becomes due; Infinity when none waits. */
  async nextDueAfter(time: number): Promise<number> {
    const prefix = this.keys.prefix("queued");
    const [next] = await Array.fromAsync(
      this.#kv.list({ prefix, start: [...prefix, time + 1] }, { limit: 1 }),
    );
    return next === undefined ? Infinity : Number(next.key[prefix.length]);
  }

  running(): Promise<IndexEntry[]> {
    return Array.fromAsync(this.#kv.list<IndexValue>({ prefix: this.keys.prefix("running") }));
  }

  /** Jobs that finished before a time, oldest first. */
  finishedBefore(time: number): AsyncIterable<IndexEntry> {
    const prefix = this.keys.prefix("finished");
    return this.#kv.list<IndexValue>({ prefix, end: [...prefix, time] });
  }

  /** Number of queued jobs, or of those that start before a given one. */
  async countQueued(before?: JobRecord): Promise<number> {
    const prefix = this.keys.prefix("queued");
    const selector = before === undefined ? { prefix } : { prefix, end: this.keys.index(before) };
    return (await Array.fromAsync(this.#kv.list(selector, { batchSize: LIST_BATCH }))).length;
  }

  /** Running jobs, then queued ones in order, then finished ones latest first. */
  async *all(): AsyncGenerator<IndexEntry> {
    for (const index of ["running", "queued", "finished"] as const) {
      const options = { reverse: index === "finished", batchSize: LIST_BATCH };
      yield* this.#kv.list<IndexValue>({ prefix: this.keys.prefix(index) }, options);
    }
  }

  /** The record in an entry of KV; see {@linkcode read}. */
  #parse({ key, value, versionstamp }: Deno.KvEntryMaybe<unknown>): JobRecord | null {
    const record = parseRecord(value, idOfKey(key));
    if (record === null && versionstamp !== null) {
      this.#options.log.error("Job skipped: its record cannot be read", { jobId: idOfKey(key) });
    }
    return record;
  }

  async #putAside(listed: IndexEntry): Promise<void> {
    const aside = [...this.keys.prefix("finished"), this.#options.clock.now(), idOfKey(listed.key)];
    const value: IndexValue = { ...listed.value, state: "failed" };
    await this.#kv.atomic().check(listed).delete(listed.key).set(aside, value).commit();
  }

  #put(
    operation: Deno.AtomicOperation,
    record: JobRecord,
    bodies: Partial<Record<BodyName, PreparedBody>>,
  ): void {
    const { id, task, state, dueAt } = record;
    operation.set(this.keys.record(id), record).set(this.keys.index(record), { task, state });
    for (const name of ["payload", "result"] as const) {
      const inline = bodies[name]?.inline;
      if (inline) operation.set(this.keys.body(id, name), inline);
    }
    const { queue, clock } = this.#options;
    if (state === "queued") addNotification(operation, { queue, delayMs: dueAt - clock.now() });
  }
}

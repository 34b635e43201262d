/** The ledger of a job queue in Deno KV: its records, changed only by version-checked atomic commits. */
import type { PreparedBody } from "./bodies.ts";
import { commit } from "./commit.ts";
import { bellFor } from "./notification.ts";
import type { IndexEntry } from "./index_queries.ts";
import {
  type BodyName,
  idOfKey,
  type IndexValue,
  isFinal,
  isJobRecord,
  type JobKeys,
  type JobRecord,
} from "./record.ts";
import type { Logger } from "../log.ts";

/** Deno KV reads at most this many keys in one `getMany` (ext/kv/config.rs). */
const GET_MANY_LIMIT = 10;

/** Most commits find the record unchanged; more rounds than this mean a fault, not contention. */
const COMMIT_ROUNDS = 100;

/** A record and the version that a commit checks. */
export interface LedgerEntry {
  record: JobRecord;
  versionstamp: string;
}

/** What a record becomes; null leaves it alone. May be asked again when someone else was faster. */
export type RecordChange = (record: JobRecord) => JobRecord | null;

export interface LedgerOptions {
  kv: Deno.Kv;
  queue: string;
  keys: JobKeys;
  log: Logger;
}

export class JobLedger {
  readonly #kv: Deno.Kv;
  readonly #queue: string;
  readonly #keys: JobKeys;
  readonly #log: Logger;

  constructor(options: LedgerOptions) {
    this.#kv = options.kv;
    this.#queue = options.queue;
    this.#keys = options.keys;
    this.#log = options.log;
  }

  /** Adds a record with its payload and rings the doorbell, in one commit; false when the id is taken. */
  async insert(record: JobRecord, payload: PreparedBody): Promise<boolean> {
    const operation = this.#kv.atomic()
      .check({ key: this.#keys.record(record.id), versionstamp: null })
      .enqueue(bellFor(this.#queue));
    this.#put(operation, record);
    this.#putBody(operation, { id: record.id, name: "payload", body: payload });
    return await commit(operation);
  }

  /** The record of a job; null when there is none, or none that can be read, which is logged. */
  async read(id: string): Promise<LedgerEntry | null> {
    return this.#checked(await this.#kv.get(this.#keys.record(id)));
  }

  /** The readable records among these jobs, in the order given. */
  async readMany(ids: string[]): Promise<JobRecord[]> {
    const records: JobRecord[] = [];
    for (let start = 0; start < ids.length; start += GET_MANY_LIMIT) {
      const keys = ids.slice(start, start + GET_MANY_LIMIT).map((id) => this.#keys.record(id));
      for (const entry of await this.#kv.getMany<unknown[]>(keys)) {
        const checked = this.#checked(entry);
        if (checked !== null) records.push(checked.record);
      }
    }
    return records;
  }

  /** The record behind an index entry. Without a readable one the entry is set aside, so that no one stumbles again. */
  async readListed(index: IndexEntry, now: number): Promise<LedgerEntry | null> {
    const entry = await this.read(idOfKey(index.key));
    if (entry !== null) return entry;
    const aside = [...this.#keys.finished, now, idOfKey(index.key)];
    const value: IndexValue = { ...index.value, state: "failed" };
    await commit(this.#kv.atomic().check(index).delete(index.key).set(aside, value));
    return null;
  }

  /** Changes a record, together with its result if given. Resolves to the new record; null when nothing was changed. */
  async update(
    id: string,
    change: RecordChange,
    options: { result?: PreparedBody } = {},
  ): Promise<JobRecord | null> {
    for (let round = 0; round < COMMIT_ROUNDS; round++) {
      const entry = await this.read(id);
      const next = entry === null ? null : change(entry.record);
      if (entry === null || next === null) return null;
      if (await this.replace(entry, { next, result: options.result })) return next;
    }
    throw new Error(`Could not change job ${id}: its record kept changing through ${COMMIT_ROUNDS} rounds`);
  }

  /** Puts a record in the place of the one that was read; false when that has changed since. */
  async replace(entry: LedgerEntry, by: { next: JobRecord; result?: PreparedBody }): Promise<boolean> {
    const { record, versionstamp } = entry;
    const { next, result } = by;
    const operation = this.#kv.atomic()
      .check({ key: this.#keys.record(record.id), versionstamp })
      .delete(this.#keys.index(record));
    this.#put(operation, next);
    if (isFinal(next.state)) operation.delete(this.#keys.body(record.id, "payload"));
    if (result !== undefined) this.#putBody(operation, { id: record.id, name: "result", body: result });
    return await commit(operation);
  }

  /** Deletes all that KV holds of a job, readable or not, and the index entry that led to it; false when it had no record. */
  async erase(id: string, listed?: IndexEntry): Promise<boolean> {
    for (let round = 0; round < COMMIT_ROUNDS; round++) {
      const stored = await this.#kv.get(this.#keys.record(id));
      const operation = this.#kv.atomic().check(stored).delete(stored.key)
        .delete(this.#keys.body(id, "payload")).delete(this.#keys.body(id, "result"));
      if (listed !== undefined) operation.delete(listed.key);
      if (isJobRecord(stored.value, id)) operation.delete(this.#keys.index(stored.value));
      if (await commit(operation)) return stored.versionstamp !== null;
    }
    throw new Error(`Could not delete job ${id}: its record kept changing through ${COMMIT_ROUNDS} rounds`);
  }

  #checked(entry: Deno.KvEntryMaybe<unknown>): LedgerEntry | null {
    if (entry.versionstamp === null) return null;
    const id = idOfKey(entry.key);
    if (isJobRecord(entry.value, id)) return { record: entry.value, versionstamp: entry.versionstamp };
    this.#log.error("Job skipped: its record cannot be read", { jobId: id });
    return null;
  }

  #put(operation: Deno.AtomicOperation, record: JobRecord): void {
    const { task, state } = record;
    operation.set(this.#keys.record(record.id), record).set(this.#keys.index(record), { task, state });
  }

  #putBody(operation: Deno.AtomicOperation, part: { id: string; name: BodyName; body: PreparedBody }): void {
    const { inline, stagedKey } = part.body;
    if (inline !== null) operation.set(this.#keys.body(part.id, part.name), inline);
    if (stagedKey !== null) operation.delete(stagedKey);
  }
}

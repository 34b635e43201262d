/** The jobs of one queue: records in memory, and in Deno KV for the process that comes after this one. */
import { join } from "node:path";
import { z } from "zod";
import { Notifier, SerialExecutor, unlessAborted } from "../async.ts";
import type { Logger } from "../log.ts";
import { BodyFiles, decodeBody } from "./bodies.ts";
import { type BodyName, checkedName, isFinal, type JobRecord, parseRecord } from "./record.ts";
import type { JobRun } from "./run.ts";

export interface JobTableOptions {
  kv: Deno.Kv;
  queue: string;
  directory: string;
  log: Logger;
}

interface TableRow {
  record: JobRecord;
  /** Changes of one job follow one another; those of different jobs do not wait for each other. */
  writes: SerialExecutor;
}

/** Queues of one name over one connection share their table, and with it what runs in this process. */
const tablesOfKv = new WeakMap<Deno.Kv, Map<string, Promise<JobTable>>>();

/** Reads the stored jobs of a queue, the first time in this process. */
export function openJobTable(options: JobTableOptions): Promise<JobTable> {
  const tables = tablesOfKv.get(options.kv) ?? new Map<string, Promise<JobTable>>();
  tablesOfKv.set(options.kv, tables);
  const opened = tables.get(options.queue) ?? loadTable(options);
  tables.set(options.queue, opened);
  opened.catch(() => tables.delete(options.queue));
  return opened;
}

async function loadTable(options: JobTableOptions): Promise<JobTable> {
  const table = new JobTable(options);
  await table.load();
  return table;
}

/** What one process knows and changes of a queue's jobs; a change is in KV before it is seen in memory. */
export class JobTable {
  readonly changes = new Notifier();
  /** The runs of this process by token, null while they start: a job under another token lost its process. */
  readonly runs = new Map<JobRecord["run"], JobRun | null>();
  readonly #rows = new Map<string, TableRow>();
  /** When each job was added whose record this version cannot work with; 0 where not even that is known. */
  readonly #unreadable = new Map<string, number>();
  readonly #options: JobTableOptions;
  readonly #kv: Deno.Kv;
  readonly #files: BodyFiles;

  constructor(options: JobTableOptions) {
    this.#options = options;
    this.#kv = options.kv;
    this.#files = new BodyFiles(join(options.directory, checkedName(options.queue)));
  }

  async load(): Promise<void> {
    for await (const { key, value } of this.#kv.list({ prefix: this.#key("record") })) {
      const id = String(key.at(-1));
      const record = parseRecord(value, id);
      if (record !== null) this.#rows.set(id, { record, writes: new SerialExecutor() });
      else this.#skip(id, value);
    }
    // Indexes of earlier versions, and bodies whose record is gone.
    for await (const { key } of this.#kv.list({ prefix: this.#key() })) {
      const id = String(key.at(-1));
      const isKnown = this.#rows.has(id) || this.#unreadable.has(id);
      if (!isKnown || !["record", "payload", "result"].includes(String(key[2]))) await this.#kv.delete(key);
    }
    await this.#files.removeLeftBehind({ recordOf: (id) => this.get(id), unreadable: this.#unreadable });
  }

  get(id: string): JobRecord | undefined {
    return this.#rows.get(id)?.record;
  }

  /** All jobs, in no order. */
  records(): JobRecord[] {
    return Array.from(this.#rows.values(), ({ record }) => record);
  }

  /** Adds a job; false when the id is taken. */
  async insert(record: JobRecord, payload: Uint8Array | null): Promise<boolean> {
    const { id } = record;
    if (this.#rows.has(id) || this.#unreadable.has(id)) return false;
    const ref = await this.#files.write(id, { name: "payload", bytes: payload });
    const stored = { ...record, payload: ref };
    const isNew = await this.#commit(stored, { payload });
    if (isNew) this.#rows.set(id, { record: stored, writes: new SerialExecutor() });
    else if (ref.kind === "file") await this.#files.remove(id, ref.name);
    this.changes.notify();
    return isNew;
  }

  /** Changes a job, together with its result if given, unless `change` returns null. Resolves to the new record. */
  async update(
    id: string,
    change: (record: JobRecord) => JobRecord | null,
    result?: Uint8Array | null,
  ): Promise<JobRecord | null> {
    const row = this.#rows.get(id);
    return await row?.writes.run(async () => {
      const { record } = row;
      let next = this.#rows.get(id) === row ? change(record) : null;
      if (next === null || next === record) return next;
      if (result !== undefined) {
        next = { ...next, result: await this.#files.write(id, { name: "result", bytes: result }) };
      }
      await this.#commit(next, { result });
      // Progress that was reported meanwhile is newer.
      row.record = next = { ...next, progress: row.record.progress };
      if (record.payload.kind === "file" && next.payload.kind === "absent") {
        await this.#files.remove(id, record.payload.name);
      }
      this.changes.notify();
      return next;
    }) ?? null;
  }

  /** Shows the progress of a run, which is stored with the next change of its job. */
  report(id: string, { run, progress }: Pick<JobRecord, "run" | "progress">): void {
    const row = this.#rows.get(id);
    if (row?.record.run !== run) return;
    row.record = { ...row.record, progress };
    this.changes.notify();
  }

  /** The value of a job's payload or result. @throws {PermanentJobError} it is gone or damaged */
  async body(record: JobRecord, name: BodyName): Promise<unknown> {
    const { id, [name]: ref } = record;
    if (ref.kind === "absent") return undefined;
    if (ref.kind === "file") return decodeBody(name, await this.#files.read(id, ref.name));
    return decodeBody(name, (await this.#kv.get<Uint8Array>(this.#key(name, id))).value);
  }

  /** Yields the record now and after each visible change; ends when it is final or gone, or when the signal aborts. */
  async *watch(id: string, signal: AbortSignal | undefined): AsyncGenerator<JobRecord> {
    let seen = "";
    while (!signal?.aborted) {
      const changed = this.changes.next;
      const record = this.get(id);
      if (record === undefined) return;
      const { state, attempts, dueAt, waiting, progress } = record;
      const visible = JSON.stringify([state, attempts, dueAt, waiting, progress]);
      if (visible !== seen) yield record;
      seen = visible;
      if (isFinal(state)) return;
      await unlessAborted(changed, signal);
    }
  }

  /** Deletes all that is stored of an ended job, readable or not; false when there was none. */
  async erase(id: string): Promise<boolean> {
    const row = this.#rows.get(id);
    const erase = async () => {
      // Files first: after a crash in between, the record still leads the next process to them.
      await this.#files.removeAll(id);
      const operation = this.#kv.atomic().delete(this.#key("record", id));
      await operation.delete(this.#key("payload", id)).delete(this.#key("result", id)).commit();
      const isUnreadable = this.#unreadable.delete(id);
      return this.#rows.delete(id) || isUnreadable;
    };
    const isErased = row === undefined ? await erase() : await row.writes.run(erase);
    this.changes.notify();
    return isErased;
  }

  /** The jobs that finished before a time, and those that were added before it and cannot be read. */
  expiredBefore(time: number): string[] {
    const finished = this.records().filter(({ state, finishedAt, enqueuedAt }) =>
      isFinal(state) && (finishedAt ?? enqueuedAt) < time
    );
    const unreadable = Array.from(this.#unreadable).filter(([_id, since]) => since < time);
    return [...finished.map(({ id }) => id), ...unreadable.map(([id]) => id)];
  }

  #key(...part: string[]): Deno.KvKey {
    return ["jobs", this.#options.queue, ...part];
  }

  /** Writes a record and its small bodies; false when a new one has the id of another. */
  async #commit(record: JobRecord, bodies: Partial<Record<BodyName, Uint8Array | null>>): Promise<boolean> {
    const { id } = record;
    const operation = this.#kv.atomic().set(this.#key("record", id), record);
    if (bodies.payload !== undefined) operation.check({ key: this.#key("record", id), versionstamp: null });
    for (const name of ["payload", "result"] as const) {
      const bytes = bodies[name];
      if (bytes && record[name].kind === "inline") operation.set(this.#key(name, id), bytes);
    }
    if (record.payload.kind === "absent") operation.delete(this.#key("payload", id));
    return (await operation.commit()).ok;
  }

  #skip(id: string, stored: unknown): void {
    this.#options.log.error("Job skipped: its record cannot be read", { jobId: id });
    this.#unreadable.set(id, z.object({ enqueuedAt: z.number() }).safeParse(stored).data?.enqueuedAt ?? 0);
  }
}

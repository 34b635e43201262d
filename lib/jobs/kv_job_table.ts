/** A job table on Deno KV, whose file belongs to one process at a time: records in memory, and in KV for the next one. */
import { join } from "node:path";
import { z } from "zod";
import { Notifier, SerialExecutor } from "../async.ts";
import { ifPresent, lockFile } from "../files.ts";
import type { Logger } from "../log.ts";
import { BodyFiles, decodeBody } from "./bodies.ts";
import type { JobState } from "./job.ts";
import { type JobTable, pauseKeyOf, type StartRequest } from "./job_table.ts";
import {
  type BodyName,
  byStart,
  checkedName,
  isFinal,
  type JobRecord,
  parseRecord,
  started,
} from "./record.ts";

/** Begins the tokens of all runs of this process: a job that runs under another lost its process. */
const PROCESS = crypto.randomUUID();

export interface KvJobTableOptions {
  /** Opened under {@linkcode lockKvFile}: what runs in no run of this process counts as interrupted. Its caller closes it. */
  kv: Deno.Kv;
  /** Names the queue within its store: several queues may share one. `A-Z a-z 0-9 _ -`. */
  queue: string;
  /** Holds large payloads and results in `<queue>/<job id>/`; such as `DATA_DIR/jobs`. */
  directory: string;
  log: Logger;
}

interface TableRow {
  record: JobRecord;
  /** Changes of one job follow one another; those of different jobs do not wait for each other. */
  writes: SerialExecutor;
}

/**
 * Takes the lock by which a KV file, and with it its job queues, belongs to one process until that disposes the lock or
 * ends. The file, which is made where there is none, is then its owner's alone.
 *
 * @throws UserError when another process holds it
 */
export async function lockKvFile(path: string): Promise<Disposable> {
  const lock = await lockFile(`${path}.lock`, {
    message: `Another process is using ${path}`,
    fix: "Stop it first, or give this one a DATA_DIR of its own",
  });
  // Deno KV leaves the mode of a new file to the umask; SQLite gives the files beside it that of the first.
  (await Deno.open(path, { create: true, write: true, mode: 0o600 })).close();
  if (Deno.build.os === "windows") return lock;
  for (const ending of ["", "-wal", "-shm"]) await ifPresent(Deno.chmod(path + ending, 0o600));
  return lock;
}

/** What one process knows and changes of a queue's jobs; a change is in KV before it is seen in memory. */
export class KvJobTable implements JobTable {
  readonly checkMs = 60_000;
  readonly #changes = new Notifier();
  readonly #rows = new Map<string, TableRow>();
  /** When each job was added whose record this version cannot work with; 0 where not even that is known. */
  readonly #unreadable = new Map<string, number>();
  readonly #options: KvJobTableOptions;
  readonly #kv: Deno.Kv;
  readonly #files: BodyFiles;

  private constructor(options: KvJobTableOptions) {
    this.#options = options;
    this.#kv = options.kv;
    this.#files = new BodyFiles(join(options.directory, checkedName(options.queue)));
  }

  /** Reads the stored jobs of a queue. It has one table at a time. */
  static async open(options: KvJobTableOptions): Promise<KvJobTable> {
    const table = new KvJobTable(options);
    await table.#load();
    return table;
  }

  async #load(): Promise<void> {
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
    const recordOf = (id: string) => this.#rows.get(id)?.record;
    await this.#files.removeLeftBehind({ recordOf, unreadable: this.#unreadable });
  }

  nextChange(): Promise<void> {
    return this.#changes.next;
  }

  get(id: string): Promise<JobRecord | null> {
    return Promise.resolve(this.#rows.get(id)?.record ?? null);
  }

  async insert(record: JobRecord, payload: Uint8Array | null): Promise<boolean> {
    const { id } = record;
    if (this.#rows.has(id) || this.#unreadable.has(id)) return false;
    const ref = await this.#files.write(id, { name: "payload", bytes: payload });
    const stored = { ...record, payload: ref };
    const isNew = await this.#commit(stored, { payload });
    if (isNew) this.#rows.set(id, { record: stored, writes: new SerialExecutor() });
    else if (ref.kind === "file") await this.#files.remove(id, ref.name);
    this.#changes.notify();
    return isNew;
  }

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
      this.#changes.notify();
      return next;
    }) ?? null;
  }

  report(id: string, { run, progress }: Pick<JobRecord, "run" | "progress">): void {
    const row = this.#rows.get(id);
    if (row?.record.run !== run) return;
    row.record = { ...row.record, progress };
    this.#changes.notify();
  }

  async body(record: JobRecord, name: BodyName): Promise<unknown> {
    const { id, [name]: ref } = record;
    if (ref.kind === "absent") return undefined;
    if (ref.kind === "file") return decodeBody(name, await this.#files.read(id, ref.name));
    return decodeBody(name, (await this.#kv.get<Uint8Array>(this.#key(name, id))).value);
  }

  list({ state, limit }: { state?: JobState; limit: number }): Promise<JobRecord[]> {
    const records = this.#recordsWhere((record) => state === undefined || record.state === state);
    return Promise.resolve(records.sort(asListed).slice(0, limit));
  }

  stats(): Promise<Record<JobState, number>> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { record } of this.#rows.values()) counts[record.state]++;
    return Promise.resolve(counts);
  }

  countAhead(job: JobRecord): Promise<number> {
    return Promise.resolve(this.#recordsWhere((other) => isQueued(other) && byStart(other, job) < 0).length);
  }

  async startNext({ now, paused }: StartRequest): Promise<JobRecord | null> {
    const due = this.#recordsWhere((job) =>
      isQueued(job) && job.dueAt <= now && !paused.includes(pauseKeyOf(job))
    );
    const lastStarts = new Map<string | null, number>();
    for (const { record: { group, startedAt } } of this.#rows.values()) {
      lastStarts.set(group, Math.max(startedAt ?? 0, lastStarts.get(group) ?? 0));
    }
    const lastStartOf = ({ group }: JobRecord) => lastStarts.get(group) ?? 0;
    due.sort((a, b) => lastStartOf(a) - lastStartOf(b) || byStart(a, b));
    for (const { id } of due) {
      const run = `${PROCESS}/${crypto.randomUUID()}`;
      const record = await this.update(id, (record) => started(record, { run, now }));
      // Otherwise another queue of this process or a cancellation came first.
      if (record !== null) return record;
    }
    return null;
  }

  nextDueAfter(time: number): Promise<number> {
    const later = this.#recordsWhere((job) => isQueued(job) && job.dueAt > time);
    return Promise.resolve(later.reduce((first, { dueAt }) => Math.min(first, dueAt), Infinity));
  }

  listInterrupted(): Promise<JobRecord[]> {
    const isLeft = ({ state, run }: JobRecord) => state === "running" && !run?.startsWith(PROCESS);
    return Promise.resolve(this.#recordsWhere(isLeft));
  }

  listExpired(time: number): Promise<string[]> {
    const finished = this.#recordsWhere(({ state, finishedAt, enqueuedAt }) =>
      isFinal(state) && (finishedAt ?? enqueuedAt) < time
    );
    const unreadable = Array.from(this.#unreadable).filter(([_id, since]) => since < time);
    return Promise.resolve([...finished.map(({ id }) => id), ...unreadable.map(([id]) => id)]);
  }

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
    this.#changes.notify();
    return isErased;
  }

  #recordsWhere(isWanted: (record: JobRecord) => boolean): JobRecord[] {
    return Array.from(this.#rows.values(), ({ record }) => record).filter(isWanted);
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

function isQueued({ state }: JobRecord): boolean {
  return state === "queued";
}

/** The order of {@linkcode JobTable.list}, as a sort function has it. */
function asListed(a: JobRecord, b: JobRecord): number {
  const groupOf = ({ state }: JobRecord) => state === "running" ? 0 : state === "queued" ? 1 : 2;
  if (groupOf(a) !== groupOf(b)) return groupOf(a) - groupOf(b);
  return isQueued(a) ? byStart(a, b) : (b.finishedAt ?? 0) - (a.finishedAt ?? 0);
}

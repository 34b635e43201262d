/** A job table on Deno KV, whose file belongs to one process at a time: records in memory, and in KV for the next one. */
import { join } from "node:path";
import { z } from "zod";
import { SerialExecutor } from "../async.ts";
import { ifPresent, lockFile } from "../files.ts";
import type { Logger } from "../log.ts";
import type { JobState } from "./job.ts";
import { type JobChange, type JobTable, pauseKeyOf } from "./job_table.ts";
import { type BodyName, byStart, checkedName, isFinal, type JobRecord, parseRecord } from "./record.ts";

/** What a Deno KV value holds at most (ext/kv/config.rs); a body of more lies under several keys. */
const PART_BYTES = 64 * 1024;
/** How many of them one commit takes, with a record: it holds 800 KiB. */
const PARTS_IN_COMMIT = 10;

export interface KvJobTableOptions {
  /** Opened under {@linkcode lockKvFile}: what runs in no run of this process counts as interrupted. Its caller closes it. */
  kv: Deno.Kv;
  /** Names the queue within its store: several queues may share one. `A-Z a-z 0-9 _ -`. */
  queue: string;
  /** Where earlier versions stored large payloads and results, in `<queue>/<job id>/`; such as `DATA_DIR/jobs`. */
  directory: string;
  log: Logger;
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

/** A job as this process knows it. */
interface Row {
  /** Null while the job is being added, once it is gone, and where this version cannot work with what is stored. */
  record: JobRecord | null;
  /** When a job was added that this version cannot work with; 0 where not even that is known. */
  unreadableSince?: number;
  /** Changes of one job follow one another; those of different jobs do not wait for each other. */
  readonly writes: SerialExecutor;
}

/** The JSON of bodies to store, where null removes one. */
type Bodies = { [Name in BodyName]?: string | null };

/** What one process knows and changes of a queue's jobs; a change is in KV before it is seen in memory. */
export class KvJobTable implements JobTable {
  readonly process = crypto.randomUUID();
  readonly checkMs = 60_000;
  readonly #rows = new Map<string, Row>();
  readonly #listeners = new Set<(id: string) => void>();
  readonly #kv: Deno.Kv;
  readonly #queue: string;
  /** Files of earlier versions, in a folder for each job. */
  readonly #folder: string;

  private constructor({ kv, queue, directory }: KvJobTableOptions) {
    this.#kv = kv;
    this.#queue = checkedName(queue);
    this.#folder = join(directory, queue);
  }

  /** Reads the stored jobs of a queue. It has one table at a time. */
  static async open(options: KvJobTableOptions): Promise<KvJobTable> {
    const table = new KvJobTable(options);
    for await (const { key, value } of options.kv.list({ prefix: table.#key("record") })) {
      const id = String(key.at(-1));
      const row: Row = { record: parseRecord(value, id), writes: new SerialExecutor() };
      table.#rows.set(id, row);
      if (row.record !== null) continue;
      options.log.error("Job skipped: its record cannot be read", { jobId: id });
      row.unreadableSince = z.object({ enqueuedAt: z.number() }).safeParse(value).data?.enqueuedAt ?? 0;
    }
    await table.#removeLeftBehind();
    return table;
  }

  isAlive(process: string): Promise<boolean> {
    return Promise.resolve(process === this.process);
  }

  onChange(hear: (id: string) => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  async insert(record: JobRecord, payload: string | null): Promise<boolean> {
    const { id } = record;
    if (this.#rows.has(id)) return false;
    const row: Row = { record: null, writes: new SerialExecutor() };
    this.#rows.set(id, row);
    try {
      await row.writes.run(() => this.#commit(id, record, { payload }));
    } catch (error) {
      this.#rows.delete(id);
      throw error;
    }
    return true;
  }

  get(id: string): Promise<JobRecord | null> {
    return Promise.resolve(this.#rows.get(id)?.record ?? null);
  }

  async update(id: string, change: JobChange, result?: string | null): Promise<JobRecord | null> {
    const row = this.#rows.get(id);
    return await row?.writes.run(async () => {
      const next = row.record && change(row.record);
      if (next === null || next === row.record) return next;
      // A job that has ended needs its payload no more.
      await this.#commit(id, next, isFinal(next.state) ? { payload: null, result } : {});
      return next;
    }) ?? null;
  }

  async body({ id, ...record }: JobRecord, name: BodyName): Promise<string | null> {
    const { name: file } = record[name];
    if (file !== undefined) return await ifPresent(Deno.readTextFile(join(this.#folder, id, file)));
    const parts = await Array.fromAsync(this.#partsOf(name, id), ({ value }) => value);
    const decoder = new TextDecoder();
    return parts.length === 0 ? null : parts.map((part) => decoder.decode(part, { stream: true })).join("");
  }

  async erase(id: string): Promise<boolean> {
    const row = this.#rows.get(id);
    return await row?.writes.run(async () => {
      if (this.#rows.get(id) !== row) return false;
      await this.#commit(id, null, { payload: null, result: null });
      return true;
    }) ?? false;
  }

  async expire(time: number): Promise<void> {
    for (const [id, { record, unreadableSince }] of this.#rows) {
      const since = record?.finishedAt ?? unreadableSince ?? Infinity;
      if (since < time) await this.erase(id);
    }
  }

  list({ state, limit }: { state?: JobState; limit?: number }): Promise<JobRecord[]> {
    const records = this.#recordsWhere((record) => state === undefined || record.state === state);
    return Promise.resolve(records.sort(asListed).slice(0, limit));
  }

  stats(): Promise<Record<JobState, number>> {
    const counts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
    for (const { state } of this.#recordsWhere(() => true)) counts[state]++;
    return Promise.resolve(counts);
  }

  next({ now, paused }: { now: number; paused: readonly string[] }): Promise<JobRecord | null> {
    const lastStarts = new Map<string | null, number>();
    for (const { group, startedAt } of this.#recordsWhere(() => true)) {
      lastStarts.set(group, Math.max(startedAt ?? 0, lastStarts.get(group) ?? 0));
    }
    const lastStartOf = ({ group }: JobRecord) => lastStarts.get(group) ?? 0;
    const dueAtOf = ({ dueAt }: JobRecord) => Math.max(dueAt, now);
    const isPaused = (job: JobRecord) => paused.includes(pauseKeyOf(job));
    const queued = this.#recordsWhere((job) => job.state === "queued" && !isPaused(job));
    queued.sort((a, b) => dueAtOf(a) - dueAtOf(b) || lastStartOf(a) - lastStartOf(b) || byStart(a, b));
    return Promise.resolve(queued[0] ?? null);
  }

  #key(...part: Deno.KvKey): Deno.KvKey {
    return ["jobs", this.#queue, ...part];
  }

  #recordsWhere(isWanted: (record: JobRecord) => boolean): JobRecord[] {
    return Array.from(this.#rows.values()).flatMap(({ record }) =>
      record !== null && isWanted(record) ? [record] : []
    );
  }

  /** Removes indexes of earlier versions, and bodies whose job is gone or never came. */
  async #removeLeftBehind(): Promise<void> {
    for await (const { key } of this.#kv.list({ prefix: this.#key() })) {
      const [_jobs, _queue, kind, id] = key.map(String);
      const isKnown = id !== undefined && this.#rows.has(id);
      if (!isKnown || !["record", "payload", "result"].includes(kind ?? "")) await this.#kv.delete(key);
    }
    for (const { name: id } of await ifPresent(Array.fromAsync(Deno.readDir(this.#folder))) ?? []) {
      if (!this.#rows.has(id)) await this.#removeFiles(id);
    }
  }

  /** Stores a job's record, or deletes it where that is null, with the bodies that are given. */
  async #commit(id: string, record: JobRecord | null, bodies: Bodies): Promise<void> {
    const commit = this.#kv.atomic();
    if (record === null) commit.delete(this.#key("record", id));
    else commit.set(this.#key("record", id), record);
    for (const name of ["payload", "result"] as const) {
      const body = bodies[name];
      if (body !== undefined) await this.#setBody(commit, { name, id, body });
    }
    await commit.commit();
    const row = this.#rows.get(id);
    if (row !== undefined) row.record = record;
    if (record === null) this.#rows.delete(id);
    for (const hear of this.#listeners) hear(id);
    if (record === null || isFinal(record.state)) await this.#removeFiles(id);
  }

  async #removeFiles(id: string): Promise<void> {
    await ifPresent(Deno.remove(join(this.#folder, id), { recursive: true }));
  }

  /** The parts of a body: the first one under the body's own key, the others under keys that begin with it. */
  #partsOf(name: BodyName, id: string): Deno.KvListIterator<Uint8Array<ArrayBuffer>> {
    // No id contains the character that comes last here.
    return this.#kv.list({ start: this.#key(name, id), end: this.#key(name, `${id}\0`) });
  }

  /** Has a commit replace a body. Parts that it cannot take are stored before: without the others nobody reads them. */
  async #setBody(
    commit: Deno.AtomicOperation,
    { name, id, body }: { name: BodyName; id: string; body: string | null },
  ): Promise<void> {
    const bytes = new TextEncoder().encode(body ?? "");
    const count = Math.ceil(bytes.length / PART_BYTES);
    for await (const { key } of this.#partsOf(name, id)) {
      if (Number(key[4] ?? 0) >= count) commit.delete(key);
    }
    for (let n = 0; n < count; n++) {
      const key = n === 0 ? this.#key(name, id) : this.#key(name, id, n);
      const part = bytes.subarray(n * PART_BYTES, (n + 1) * PART_BYTES);
      if (n < PARTS_IN_COMMIT) commit.set(key, part);
      else await this.#kv.set(key, part);
    }
  }
}

/** The order of {@linkcode JobTable.list}, as a sort function has it. */
function asListed(a: JobRecord, b: JobRecord): number {
  const placeOf = ({ state }: JobRecord) => state === "running" ? 0 : state === "queued" ? 1 : 2;
  if (placeOf(a) !== placeOf(b)) return placeOf(a) - placeOf(b);
  return a.state === "queued" ? byStart(a, b) : (b.finishedAt ?? 0) - (a.finishedAt ?? 0);
}

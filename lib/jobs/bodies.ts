/** Payloads and results of jobs: JSON in Deno KV while they are small, in a file of the job's own folder when not. */
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import { commit } from "./commit.ts";
import { PermanentJobError } from "./job_errors.ts";
import { type BodyName, type BodyRef, idOfKey, type JobKeys } from "./record.ts";

/** Bodies above this go to files: half of what a Deno KV value can hold (65,536 bytes, ext/kv/config.rs). */
export const INLINE_LIMIT_BYTES = 32 * 1024;

/** A file that no record names after this long was left behind by a crash. */
const STAGED_LIMIT_MS = 3_600_000;

/** At most this many left-behind files are removed in one sweep. */
const STAGED_BATCH = 100;

/** A body that is stored as soon as its record is committed together with `inline` and without `stagedKey`. */
export interface PreparedBody {
  ref: BodyRef;
  inline: Uint8Array | null;
  stagedKey: Deno.KvKey | null;
}

export interface JobBodiesOptions {
  kv: Deno.Kv;
  keys: JobKeys;
  directory: string;
  clock: Clock;
}

/** The UTF-8 JSON of a value; null for `undefined`. @throws {TypeError} it is no JSON value */
export function encodeBody(value: unknown): Uint8Array | null {
  if (value === undefined) return null;
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`Jobs carry JSON values: this one is a ${typeof value}`);
  return new TextEncoder().encode(json);
}

function decodeBody(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // The parser's own message quotes what it could not read.
    throw new PermanentJobError("A stored job body is no JSON: its file or value was changed", {
      code: "body_corrupt",
    });
  }
}

export class JobBodies {
  readonly #kv: Deno.Kv;
  readonly #keys: JobKeys;
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(options: JobBodiesOptions) {
    this.#kv = options.kv;
    this.#keys = options.keys;
    this.#directory = options.directory;
    this.#clock = options.clock;
  }

  /**
   * Readies encoded bytes for the commit of their record. A file is announced in KV before it is written, so that one
   * whose record never came can be found and removed.
   */
  async prepare(id: string, body: { name: BodyName; bytes: Uint8Array | null }): Promise<PreparedBody> {
    const { name, bytes } = body;
    if (bytes === null) return { ref: { kind: "absent" }, inline: null, stagedKey: null };
    if (bytes.length <= INLINE_LIMIT_BYTES) {
      return { ref: { kind: "inline" }, inline: bytes, stagedKey: null };
    }
    const fileName = `${name}-${crypto.randomUUID()}.json`;
    const stagedKey = [...this.#keys.staged, this.#clock.now(), fileName, id];
    await commit(this.#kv.atomic().set(stagedKey, null));
    await this.#write(id, { fileName, bytes });
    return { ref: { kind: "file", name: fileName }, inline: null, stagedKey };
  }

  /** Forgets a prepared body whose record was not committed. */
  async discard(id: string, body: PreparedBody): Promise<void> {
    await this.remove(id, body.ref);
    if (body.stagedKey !== null) await commit(this.#kv.atomic().delete(body.stagedKey));
  }

  /** @throws {PermanentJobError} the body is gone or damaged */
  async read(id: string, body: { name: BodyName; ref: BodyRef }): Promise<unknown> {
    const { name, ref } = body;
    if (ref.kind === "absent") return undefined;
    const bytes = ref.kind === "inline"
      ? (await this.#kv.get<Uint8Array>(this.#keys.body(id, name))).value
      : await this.#readFile(id, ref.name);
    if (!(bytes instanceof Uint8Array)) {
      throw new PermanentJobError(`The ${name} of a job is gone from the store`, { code: "body_missing" });
    }
    return decodeBody(bytes);
  }

  /** Removes the file of a body that no record names any more. */
  async remove(id: string, ref: BodyRef): Promise<void> {
    if (ref.kind === "file") await this.#removeFile(id, ref.name);
  }

  /** Removes the job's folder. */
  async removeAll(id: string): Promise<void> {
    await ignoreMissing(Deno.remove(join(this.#directory, id), { recursive: true }));
  }

  /** Removes files that were written for records which never came. */
  async sweep(): Promise<void> {
    const end = [...this.#keys.staged, this.#clock.now() - STAGED_LIMIT_MS];
    for await (const { key } of this.#kv.list({ prefix: this.#keys.staged, end }, { limit: STAGED_BATCH })) {
      await this.#removeFile(idOfKey(key), String(key.at(-2)));
      await commit(this.#kv.atomic().delete(key));
    }
  }

  async #readFile(id: string, fileName: string): Promise<Uint8Array | null> {
    try {
      return await Deno.readFile(join(this.#directory, id, fileName));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  async #write(id: string, file: { fileName: string; bytes: Uint8Array }): Promise<void> {
    const folder = join(this.#directory, id);
    const path = join(folder, file.fileName);
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await Deno.writeFile(`${path}.part`, file.bytes, { createNew: true, mode: 0o600 });
    await Deno.rename(`${path}.part`, path);
  }

  async #removeFile(id: string, fileName: string): Promise<void> {
    const folder = join(this.#directory, id);
    await ignoreMissing(Deno.remove(join(folder, fileName)));
    await ignoreMissing(Deno.remove(join(folder, `${fileName}.part`)));
    // Another body of the same job may still be there.
    await Deno.remove(folder).catch(() => undefined);
  }
}

async function ignoreMissing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Payloads and results of jobs: JSON in Deno KV while they are small, in a file of the job's own folder when not. */
import { join } from "node:path";
import { ifPresent, writeFileAtomically } from "../files.ts";
import { PermanentJobError } from "./job_queue.ts";
import { type BodyName, type BodyRef, type JobKeys, parseRecord } from "./record.ts";

/** Bodies above this go to files: half of what a Deno KV value can hold (65,536 bytes, ext/kv/config.rs). */
const INLINE_LIMIT_BYTES = 32 * 1024;

/** What the name of a file that is still being written ends with. */
const DRAFT_ENDING = ".part";

/** A body that is stored as soon as its record is committed together with `inline`. */
export interface PreparedBody {
  ref: BodyRef;
  inline: Uint8Array | null;
}

/** The UTF-8 JSON of a value; null for `undefined`. @throws {TypeError} it is no JSON value */
export function encodeBody(value: unknown): Uint8Array | null {
  if (value === undefined) return null;
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`Jobs carry JSON values: this one is a ${typeof value}`);
  return new TextEncoder().encode(json);
}

export class JobBodies {
  readonly #kv: Deno.Kv;
  readonly #keys: JobKeys;
  readonly #directory: string;
  /** Files that this process has written; null once those that others left were looked for. */
  #written: Set<string> | null = new Set();

  constructor(options: { kv: Deno.Kv; keys: JobKeys; directory: string }) {
    this.#kv = options.kv;
    this.#keys = options.keys;
    this.#directory = options.directory;
  }

  /** Readies encoded bytes for the commit of their record. A file whose record never comes goes at the next start. */
  async prepare(id: string, body: { name: BodyName; bytes: Uint8Array | null }): Promise<PreparedBody> {
    const { name, bytes } = body;
    if (bytes === null) return { ref: { kind: "absent" }, inline: null };
    if (bytes.length <= INLINE_LIMIT_BYTES) return { ref: { kind: "inline" }, inline: bytes };
    const ref = { kind: "file", name: `${name}-${crypto.randomUUID()}.json` } as const;
    this.#written?.add(ref.name);
    await Deno.mkdir(join(this.#directory, id), { recursive: true, mode: 0o700 });
    const path = this.#path(id, ref.name);
    await writeFileAtomically(path, bytes, { mode: 0o600, draftPath: path + DRAFT_ENDING });
    return { ref, inline: null };
  }

  /** @throws {PermanentJobError} the body is gone or damaged */
  async read(id: string, body: { name: BodyName; ref: BodyRef }): Promise<unknown> {
    const { name, ref } = body;
    if (ref.kind === "absent") return undefined;
    const bytes = ref.kind === "inline"
      ? (await this.#kv.get<Uint8Array>(this.#keys.body(id, name))).value
      : await ifPresent(Deno.readFile(this.#path(id, ref.name)));
    if (bytes === null) {
      throw new PermanentJobError(`The ${name} of a job is gone from the store`, { code: "body_missing" });
    }
    try {
      return JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      // The parser's own message quotes what it could not read.
      const message = "A stored job body is no JSON: its file or value was changed";
      throw new PermanentJobError(message, { code: "body_corrupt" });
    }
  }

  /** Removes the file of a body that no record names. */
  async remove(id: string, ref: BodyRef): Promise<void> {
    if (ref.kind !== "file") return;
    await ifPresent(Deno.remove(this.#path(id, ref.name)));
    // Another body of the same job may still be there.
    await Deno.remove(join(this.#directory, id)).catch(() => undefined);
  }

  /** Removes the job's folder. */
  async removeAll(id: string): Promise<void> {
    await ifPresent(Deno.remove(join(this.#directory, id), { recursive: true }));
  }

  /** Removes the files that a process wrote before it ended without committing their records. */
  async removeLeftBehind(): Promise<void> {
    const written = this.#written;
    if (written === null) return;
    for (const { name: id } of await entriesOf(this.#directory)) {
      const { value, versionstamp } = await this.#kv.get(this.#keys.record(id));
      const record = parseRecord(value, id);
      // A record that this version cannot read may name its files all the same.
      if (versionstamp !== null && record === null) continue;
      const named = [record?.payload, record?.result].map((ref) => ref?.kind === "file" ? ref.name : "");
      for (const { name } of await entriesOf(join(this.#directory, id))) {
        const isOfThisProcess = written.has(name.replace(DRAFT_ENDING, ""));
        if (!named.includes(name) && !isOfThisProcess) await this.remove(id, { kind: "file", name });
      }
    }
    for await (const { key } of this.#kv.list({ prefix: this.#keys.prefix("staged") })) {
      await this.#kv.delete(key);
    }
    this.#written = null;
  }

  #path(id: string, fileName: string): string {
    return join(this.#directory, id, fileName);
  }
}

async function entriesOf(directory: string): Promise<Deno.DirEntry[]> {
  return await ifPresent(Array.fromAsync(Deno.readDir(directory))) ?? [];
}

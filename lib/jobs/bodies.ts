/** Payloads and results of jobs: JSON in Deno KV while they are small, in a file of the job's own folder when not. */
import { join } from "node:path";
import { ifPresent, writeFileAtomically } from "../files.ts";
import { PermanentJobError } from "./job.ts";
import type { BodyName, BodyRef, JobRecord } from "./record.ts";

/** Bodies above this go to files: half of what a Deno KV value can hold (65,536 bytes, ext/kv/config.rs). */
const INLINE_LIMIT_BYTES = 32 * 1024;

/** What the name of a file that is still being written ends with. */
const DRAFT_ENDING = ".part";

/** The UTF-8 JSON of a value; null for `undefined`. @throws {TypeError} it is no JSON value */
export function encodeBody(value: unknown): Uint8Array | null {
  if (value === undefined) return null;
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined) throw new TypeError(`Jobs carry JSON values: this one is a ${typeof value}`);
  return new TextEncoder().encode(json);
}

/** The value of stored bytes. @throws {PermanentJobError} they are gone or damaged */
export function decodeBody(name: BodyName, bytes: Uint8Array | null): unknown {
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

/** The files of one queue, in a folder for each job. Each file has a name of its own, which its record states. */
export class BodyFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Stores what is too large for KV in a file, before the record that names it is committed. */
  async write(id: string, body: { name: BodyName; bytes: Uint8Array | null }): Promise<BodyRef> {
    const { name, bytes } = body;
    if (bytes === null) return { kind: "absent" };
    if (bytes.length <= INLINE_LIMIT_BYTES) return { kind: "inline" };
    const fileName = `${name}-${crypto.randomUUID()}.json`;
    await Deno.mkdir(join(this.#directory, id), { recursive: true, mode: 0o700 });
    const path = this.#path(id, fileName);
    await writeFileAtomically(path, bytes, { mode: 0o600, draftPath: path + DRAFT_ENDING });
    return { kind: "file", name: fileName };
  }

  read(id: string, fileName: string): Promise<Uint8Array | null> {
    return ifPresent(Deno.readFile(this.#path(id, fileName)));
  }

  async remove(id: string, fileName: string): Promise<void> {
    await ifPresent(Deno.remove(this.#path(id, fileName)));
    // The other file of the job may still be there.
    await Deno.remove(join(this.#directory, id)).catch(() => undefined);
  }

  /** Removes the job's folder. */
  async removeAll(id: string): Promise<void> {
    await ifPresent(Deno.remove(join(this.#directory, id), { recursive: true }));
  }

  /** Removes what a process left that ended between writing a file and committing its record. */
  async removeLeftBehind(
    jobs: { recordOf: (id: string) => JobRecord | undefined; unreadable: ReadonlyMap<string, unknown> },
  ): Promise<void> {
    for (const { name: id } of await entriesOf(this.#directory)) {
      // The files of a job may be named in what cannot be read.
      if (jobs.unreadable.has(id)) continue;
      const record = jobs.recordOf(id);
      const named = [record?.payload, record?.result].map((ref) => ref?.kind === "file" ? ref.name : "");
      for (const { name } of await entriesOf(join(this.#directory, id))) {
        if (!named.includes(name)) await this.remove(id, name);
      }
    }
  }

  #path(id: string, fileName: string): string {
    return join(this.#directory, id, fileName);
  }
}

async function entriesOf(directory: string): Promise<Deno.DirEntry[]> {
  return await ifPresent(Array.fromAsync(Deno.readDir(directory))) ?? [];
}

/** The adapters on disk: each in a folder of its own, published and removed atomically. */
import { join } from "node:path";
import { SerialExecutor } from "../../lib/async.ts";
import { ifPresent } from "../../lib/files.ts";
import type { Logger } from "../../lib/log.ts";
import type { AdapterProof } from "../engine/adapter_probe.ts";
import { ADAPTER_FILE, type AdapterManifest, readManifest, writeManifest } from "./adapter_manifest.ts";
import { ModelError, sha256OfFile } from "./model_file.ts";

/** Prefixes of folders that a crash may leave: not published yet, or removed already. */
const STAGED = "staged-";
const REMOVED = "removed-";

type WriteFile = (path: string) => Promise<void>;

/** What is known of an adapter before it is published. */
export type AdapterDraft = Omit<
  AdapterManifest,
  "version" | "id" | "sizeBytes" | "createdAt" | "proof" | "tainted"
>;

/** Proves that the file at a path is applied; rejects when it cannot be served. */
export type CheckAdapter = (adapter: { id: string; path: string }) => Promise<AdapterProof>;

export interface PublishOptions {
  /** The trained file; it is copied. */
  sourcePath: string;
  check: CheckAdapter;
}

export interface RestoreOptions {
  /** The file, as it comes. */
  file: ReadableStream<Uint8Array<ArrayBuffer>>;
  check: CheckAdapter;
}

/** All adapters of one data folder, to which one process writes. */
export interface AdapterRegistry {
  /** The latest first. */
  list(): AdapterManifest[];
  get(id: string): AdapterManifest | undefined;
  /** The file of an adapter that `get` knows. */
  pathOf(id: string): string;
  /** Bytes of all adapters together. */
  readonly sizeBytes: number;
  /**
   * Copies and checks an adapter, then makes it available. A failure leaves nothing behind.
   *
   * @throws ModelError when the file is not the one that was trained; what `check` throws; `Deno.errors`
   */
  publish(draft: AdapterDraft, options: PublishOptions): Promise<AdapterManifest>;
  /**
   * Makes the copy of an adapter available under its id, with a proof of its own; of one that is there already, returns
   * what is there. A failure leaves nothing behind.
   *
   * @throws as {@linkcode AdapterRegistry.publish}
   */
  restore(manifest: AdapterManifest, options: RestoreOptions): Promise<AdapterManifest>;
  /** Marks an adapter as tainted, permanently; undefined when there is none with this id. */
  taint(id: string): Promise<AdapterManifest | undefined>;
  /** Deletes an adapter and returns what it was; undefined when there is none with this id. */
  remove(id: string): Promise<AdapterManifest | undefined>;
}

async function removeFolder(path: string): Promise<void> {
  await ifPresent(Deno.remove(path, { recursive: true }));
}

/** Reads the adapters, and removes what a crash left incomplete. */
async function readFolder(directory: string, log: Logger): Promise<Map<string, AdapterManifest>> {
  const adapters = new Map<string, AdapterManifest>();
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  for await (const { name } of Deno.readDir(directory)) {
    const folder = join(directory, name);
    if (name.startsWith(STAGED) || name.startsWith(REMOVED)) {
      await removeFolder(folder);
      continue;
    }
    const manifest = await readManifest(folder);
    if (manifest?.id === name) adapters.set(name, manifest);
    else log.warn("a folder among the adapters holds no complete one; it is left alone", { folder: name });
  }
  return adapters;
}

/** Has a file written into a private folder of its own. */
async function stage(
  folder: string,
  { write, sha256 }: { write: WriteFile; sha256: string },
): Promise<{ path: string; sizeBytes: number }> {
  await Deno.mkdir(folder, { mode: 0o700 });
  const path = join(folder, ADAPTER_FILE);
  await write(path);
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
  if (await sha256OfFile(path) !== sha256) {
    throw new ModelError("The adapter's file is not the one that was trained: its SHA-256 differs");
  }
  return { path, sizeBytes: (await file.stat()).size };
}

/** Passes so many bytes on, and no more. */
function upTo(sizeBytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let left = sizeBytes;
  return new TransformStream({
    transform(piece, controller) {
      left -= piece.length;
      if (left < 0) throw new ModelError("The adapter's file is larger than its manifest says");
      controller.enqueue(piece);
    },
  });
}

/** See {@linkcode AdapterRegistry}. Made by {@linkcode openAdapterRegistry}. */
class FolderRegistry implements AdapterRegistry {
  readonly #directory: string;
  readonly #adapters: Map<string, AdapterManifest>;
  readonly #now: () => number;
  /** Marking and deleting one adapter must not overlap. */
  readonly #changes = new SerialExecutor();

  constructor(
    parts: { directory: string; adapters: Map<string, AdapterManifest>; now: () => number },
  ) {
    this.#directory = parts.directory;
    this.#adapters = parts.adapters;
    this.#now = parts.now;
  }

  get sizeBytes(): number {
    return [...this.#adapters.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  list(): AdapterManifest[] {
    return [...this.#adapters.values()].sort((a, b) => a.createdAt < b.createdAt ? 1 : -1);
  }

  get(id: string): AdapterManifest | undefined {
    return this.#adapters.get(id);
  }

  pathOf(id: string): string {
    return join(this.#folderOf(id), ADAPTER_FILE);
  }

  publish(draft: AdapterDraft, { sourcePath, check }: PublishOptions): Promise<AdapterManifest> {
    const createdAt = new Date(this.#now()).toISOString();
    const adapter = { version: 1, id: crypto.randomUUID(), ...draft, createdAt, tainted: false } as const;
    return this.#add(adapter, { write: (path) => Deno.copyFile(sourcePath, path), check });
  }

  restore(manifest: AdapterManifest, { file, check }: RestoreOptions): Promise<AdapterManifest> {
    const bytes = file.pipeThrough(upTo(manifest.sizeBytes));
    return this.#add(manifest, { write: (path) => Deno.writeFile(path, bytes, { mode: 0o600 }), check });
  }

  async #add(
    adapter: Omit<AdapterManifest, "sizeBytes" | "proof">,
    { write, check }: { write: WriteFile; check: CheckAdapter },
  ): Promise<AdapterManifest> {
    const { id, sha256 } = adapter;
    const staged = join(this.#directory, `${STAGED}${crypto.randomUUID()}`);
    try {
      const { path, sizeBytes } = await stage(staged, { write, sha256 });
      const manifest = { ...adapter, sizeBytes, proof: await check({ id, path }) };
      await writeManifest(staged, manifest);
      return await this.#changes.run(async () => {
        const known = this.#adapters.get(id);
        if (known !== undefined) return known;
        await Deno.rename(staged, this.#folderOf(id));
        this.#adapters.set(id, manifest);
        return manifest;
      });
    } finally {
      await removeFolder(staged);
    }
  }

  taint(id: string): Promise<AdapterManifest | undefined> {
    return this.#changes.run(async () => {
      const manifest = this.#adapters.get(id);
      if (manifest === undefined) return undefined;
      const tainted = { ...manifest, tainted: true };
      // From here on it is refused, even if the mark cannot be written; then the caller learns of that.
      this.#adapters.set(id, tainted);
      await writeManifest(this.#folderOf(id), tainted);
      return tainted;
    });
  }

  remove(id: string): Promise<AdapterManifest | undefined> {
    return this.#changes.run(async () => {
      const manifest = this.#adapters.get(id);
      if (manifest === undefined) return undefined;
      const removed = join(this.#directory, `${REMOVED}${id}`);
      await Deno.rename(this.#folderOf(id), removed);
      this.#adapters.delete(id);
      await removeFolder(removed);
      return manifest;
    });
  }

  #folderOf(id: string): string {
    return join(this.#directory, id);
  }
}

/**
 * Opens the registry of a folder.
 *
 * @param options `now` in epoch milliseconds
 */
export async function openAdapterRegistry(
  options: { directory: string; log: Logger; now?: () => number },
): Promise<AdapterRegistry> {
  const { directory, log, now = Date.now } = options;
  return new FolderRegistry({ directory, now, adapters: await readFolder(directory, log) });
}

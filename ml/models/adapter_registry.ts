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

/** What is known of an adapter before it is published. */
export type AdapterDraft = Omit<
  AdapterManifest,
  "version" | "id" | "sizeBytes" | "createdAt" | "proof" | "tainted"
>;

export interface PublishOptions {
  /** The trained file; it is copied. */
  sourcePath: string;
  /** Proves that the copy at a path is applied; rejects when it cannot be served. */
  check: (adapter: { id: string; path: string }) => Promise<AdapterProof>;
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

/** Copies a file into a private folder of its own. */
async function stage(
  folder: string,
  options: { sourcePath: string; sha256: string },
): Promise<{ path: string; sizeBytes: number }> {
  const { sourcePath, sha256 } = options;
  await Deno.mkdir(folder, { mode: 0o700 });
  const path = join(folder, ADAPTER_FILE);
  await Deno.copyFile(sourcePath, path);
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
  if (await sha256OfFile(path) !== sha256) {
    throw new ModelError("The adapter's file is not the one that was trained: its SHA-256 differs");
  }
  return { path, sizeBytes: (await file.stat()).size };
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

  async publish(draft: AdapterDraft, { sourcePath, check }: PublishOptions): Promise<AdapterManifest> {
    const id = crypto.randomUUID();
    const staged = join(this.#directory, `${STAGED}${id}`);
    try {
      const { path, sizeBytes } = await stage(staged, { sourcePath, sha256: draft.sha256 });
      const createdAt = new Date(this.#now()).toISOString();
      const proof = await check({ id, path });
      const manifest = { version: 1, id, ...draft, sizeBytes, createdAt, proof, tainted: false } as const;
      await writeManifest(staged, manifest);
      await Deno.rename(staged, this.#folderOf(id));
      this.#adapters.set(id, manifest);
      return manifest;
    } catch (error) {
      await removeFolder(staged);
      throw error;
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

/** Notices that Messages has written: by file events at once, and by a poll that misses nothing. */
import { basename, dirname } from "node:path";
import type { Clock } from "../../lib/clock.ts";

/** What a watch reports. */
export interface FolderListener {
  /** Something happened to the file of this name in the folder. */
  changed(fileName: string): void;
  /** No further event will come: the folder is gone, or the system has ended the watch. */
  ended(): void;
}

/** Watches a folder until the result is disposed. Throws when the folder cannot be watched. */
export type WatchFolder = (folder: string, listener: FolderListener) => Disposable;

export interface DatabaseWatcherOptions {
  /** The database file, symlinks resolved; events of its folder whose file name begins with its own count. */
  path: () => string;
  /** A value that differs after every change; must not throw. Events only say when to call it. */
  look: () => string;
  /** `woke`: the machine may have slept, so what was known of the server may be outdated. */
  onChange: (change: { woke: boolean }) => void;
  clock: Clock;
  watchFolder: WatchFolder;
}

/** Messages writes a message in several commits; they are looked at together. */
const DEBOUNCE_MS = 250;
const POLL_MS = 5_000;
/** A poll that comes so late was delayed by more than a busy machine. */
const SLEEP_GAP_MS = 30_000;

/**
 * Watches the folder rather than the file: Messages removes the `-wal` and creates it again. Events get lost, so every
 * poll looks as well, and renews the watch when it should have had an event: after the folder was replaced, after a
 * sleep, and after a change without an event.
 */
export class DatabaseWatcher implements Disposable {
  readonly #options: DatabaseWatcherOptions;
  #watch: Disposable | null = null;
  #watchedFolder = "";
  #cancelLook: (() => void) | null = null;
  #cancelPoll: () => void;
  #polledAtMs: number;
  #seen: string;

  /** Watches from now on. */
  constructor(options: DatabaseWatcherOptions) {
    this.#options = options;
    this.#seen = options.look();
    this.#polledAtMs = options.clock.now();
    this.#arm();
    this.#cancelPoll = options.clock.after(POLL_MS, () => this.#poll());
  }

  /** True while file events are expected. */
  get isArmed(): boolean {
    return this.#watch !== null;
  }

  [Symbol.dispose](): void {
    this.#cancelPoll();
    this.#cancelLook?.();
    this.#disarm();
  }

  #poll(): void {
    const { clock } = this.#options;
    const lateMs = clock.now() - this.#polledAtMs - POLL_MS;
    this.#polledAtMs = clock.now();
    this.#cancelPoll = clock.after(POLL_MS, () => this.#poll());
    const woke = lateMs > SLEEP_GAP_MS;
    const awaitsLook = this.#cancelLook !== null;
    const changed = this.#hasChanged();
    if (woke || this.#watchedFolder !== this.#folderIdentity() || (changed && !awaitsLook)) this.#arm();
    if (woke || changed) this.#options.onChange({ woke });
  }

  /** The first event starts the delay: a stream of events must not postpone the check for ever. */
  #noteEvent(fileName: string): void {
    if (this.#cancelLook !== null || !fileName.startsWith(basename(this.#options.path()))) return;
    this.#cancelLook = this.#options.clock.after(DEBOUNCE_MS, () => {
      this.#cancelLook = null;
      if (this.#hasChanged()) this.#options.onChange({ woke: false });
    });
  }

  #hasChanged(): boolean {
    const now = this.#options.look();
    const changed = now !== this.#seen;
    this.#seen = now;
    return changed;
  }

  #arm(): void {
    this.#disarm();
    const folder = this.#folderIdentity();
    try {
      const watch = this.#options.watchFolder(dirname(this.#options.path()), {
        changed: (fileName) => this.#noteEvent(fileName),
        ended: () => {
          if (this.#watch === watch) this.#disarm();
        },
      });
      this.#watch = watch;
      this.#watchedFolder = folder;
    } catch {
      // A folder that is not there or may not be watched: the poll continues and tries again.
    }
  }

  #disarm(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = null;
    this.#watchedFolder = "";
  }

  #folderIdentity(): string {
    try {
      const { dev, ino } = Deno.statSync(dirname(this.#options.path()));
      return `${dev}.${ino}`;
    } catch {
      return "absent";
    }
  }
}

/** Watches with the operating system's own means. Reading a file is no event, or the agent would wake itself. */
export const watchFolder: WatchFolder = (folder, listener) => {
  const watcher = Deno.watchFs(folder, { recursive: false });
  let disposed = false;

  async function follow(): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access") continue;
      for (const path of paths) listener.changed(path.slice(path.lastIndexOf("/") + 1));
    }
  }

  follow().catch(() => {}).finally(() => {
    if (!disposed) listener.ended();
  });
  return {
    [Symbol.dispose]() {
      if (disposed) return;
      disposed = true;
      watcher.close();
    },
  };
};

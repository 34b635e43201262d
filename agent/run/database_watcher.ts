/** Owns noticing that Messages has written: by file events at once, and by a poll that misses nothing. */
import { basename, dirname } from "node:path";
import type { Clock } from "../../lib/clock.ts";
import type { WatchFolder } from "./folder_events.ts";

export interface DatabaseWatcherOptions {
  /** The database file, symlinks resolved; events of its folder whose file name begins with its own count. */
  path: () => string;
  /** A value that differs after every change; must not throw. Events only say that it is time to look. */
  look: () => string;
  /** `woke`: the machine may have slept, so that whatever was known of the outside may be old. */
  onChange: (change: { woke: boolean }) => void;
  clock: Clock;
  watchFolder: WatchFolder;
}

/** Messages writes a message in several commits; they are looked at together. */
const DEBOUNCE_MS = 250;
const POLL_MS = 5_000;
/** A poll that comes so much too late has been held up by more than a busy machine. */
const SLEEP_GAP_MS = 30_000;

/**
 * Watches the folder rather than the file: Messages removes and makes the `-wal` anew. Events get lost, so every poll
 * looks as well, and arms the watch anew when it should have been told: after the folder was replaced, after a sleep,
 * and after a change without an event.
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

  /** The first event opens the window: a stream of events may not put the look off for ever. */
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
      // A folder that is not there or may not be watched: the poll goes on and tries again.
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

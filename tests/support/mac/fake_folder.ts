/** A folder whose file events a test makes, or holds back. */
import type { FolderListener, WatchFolder } from "../../../agent/run/database_watcher.ts";

/** Stands in for the operating system's file events. */
export class FakeFolder {
  /** False: the folder cannot be watched. */
  canWatch = true;
  /** How often a watch was begun. */
  watches = 0;
  #listener: FolderListener | null = null;

  get isWatched(): boolean {
    return this.#listener !== null;
  }

  readonly watch: WatchFolder = (_folder, listener) => {
    if (!this.canWatch) throw new Deno.errors.NotFound("No path was found.");
    this.watches++;
    this.#listener = listener;
    return {
      [Symbol.dispose]: () => {
        if (this.#listener === listener) this.#listener = null;
      },
    };
  };

  /** Something happened to a file; by default to what Messages writes first. */
  touch(fileName = "chat.db-wal"): void {
    this.#listener?.changed(fileName);
  }

  /** The system ends the watch. */
  end(): void {
    this.#listener?.ended();
    this.#listener = null;
  }
}

/** Owns the file events of a folder, as the operating system gives them. */

/** What a watch reports. */
export interface FolderListener {
  /** Something happened to the file of this name in the folder. */
  changed(fileName: string): void;
  /** No further event will come: the folder is gone, or the system has ended the watch. */
  ended(): void;
}

/** Watches a folder until the result is disposed. Throws when the folder cannot be watched. */
export type WatchFolder = (folder: string, listener: FolderListener) => Disposable;

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

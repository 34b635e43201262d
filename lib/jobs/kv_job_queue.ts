/** The job queue on Deno KV, whose file belongs to one process at a time. */
import { ifPresent, lockFile } from "../files.ts";
import type { JobQueueOptions, TaskMap } from "./job_queue.ts";
import { openKvJobTable } from "./kv_job_table.ts";
import { TableJobQueue } from "./table_job_queue.ts";

export interface KvJobQueueOptions extends JobQueueOptions {
  /**
   * Opened under `lockKvFile`: what runs in no run of this process counts as interrupted. Stays open until the queue is
   * stopped, serves no other listener of its queue, and is closed by the caller.
   */
  kv: Deno.Kv;
  /** Holds large payloads and results in `<queue>/<job id>/`; such as `DATA_DIR/jobs`. */
  directory: string;
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

/** A {@linkcode JobQueue} on Deno KV. Queues of different names may share one KV and one directory. */
export class KvJobQueue<Tasks extends TaskMap<Tasks>> extends TableJobQueue<Tasks> {
  constructor({ kv, directory, ...options }: KvJobQueueOptions) {
    const { name: queue, log } = options;
    super({ ...options, openTable: () => openKvJobTable({ kv, queue, directory, log }) });
  }
}

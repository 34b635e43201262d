/** Owns what the agent asks of the machine itself: its system, the user's home and number, the room on its disks. */
import { statfs } from "node:fs/promises";
import { homedir } from "node:os";

export interface Machine {
  /** `Deno.build.os`. */
  readonly os: string;
  homeDir(): string;
  /** The number of the user who runs the agent. */
  userId(): number;
  /** Bytes that this user may still write to the disk of an existing folder. */
  freeBytes(folder: string): Promise<number>;
}

/** The machine that the agent runs on. Nothing is asked of it before a method is called. */
export function thisMachine(os: string = Deno.build.os): Machine {
  return {
    os,
    homeDir: homedir,
    userId: () => Deno.uid() ?? 0,
    async freeBytes(folder) {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  };
}

/** Owns giving memory back after a burst of work. */

type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;

/**
 * Collects at once what V8 would keep until it is short of memory, which a program that then idles never is. Does
 * nothing unless the program was started with `--v8-flags=--expose-gc`. Takes some tens of milliseconds.
 */
export function releaseMemory(): void {
  const { gc } = globalThis as { gc?: Collect };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** Commits to a Deno KV whose file other processes write to as well. */
import { backoffMs, delay } from "../backoff.ts";

/** SQLite's message when another process writes at that moment; Deno KV passes it on instead of waiting (measured on 2.9.6). */
const LOCKED = "database is locked";

/** With the waits below, some seconds in all: far longer than any commit takes. */
const LOCKED_TRIES = 30;
const LOCKED_WAIT = { baseMs: 5, capMs: 200 };

/** Commits; false when a check did not hold. A locked database is tried again: it has stored nothing. */
export async function commit(operation: Deno.AtomicOperation): Promise<boolean> {
  for (let tries = 1;; tries++) {
    try {
      return (await operation.commit()).ok;
    } catch (error) {
      const locked = error instanceof Error && error.message.includes(LOCKED);
      if (!locked || tries === LOCKED_TRIES) throw error;
      await delay(backoffMs(tries, LOCKED_WAIT));
    }
  }
}

/** Owns the watch over what the server refuses: a few odd items are noted, a server that refuses all stops the sync. */
import { UserError } from "../../lib/errors.ts";
import type { RefusedItem } from "./sync_record.ts";

/** So many in a row are no odd rows: agent and server do not understand each other. */
const MAX_CONSECUTIVE = 100;

/** Collects refused items until they are taken to be recorded. */
export class Refusals {
  #collected: RefusedItem[] = [];
  #consecutive = 0;
  #total = 0;

  /** Refused since the beginning. */
  get total(): number {
    return this.#total;
  }

  /** Something was accepted. */
  noteAccepted(): void {
    this.#consecutive = 0;
  }

  /** @throws UserError when nothing gets through any more */
  add(items: readonly RefusedItem[]): void {
    this.#collected.push(...items);
    this.#total += items.length;
    this.#consecutive += items.length;
    if (this.#consecutive < MAX_CONSECUTIVE) return;
    const [{ code, path } = { code: "unknown", path: "" }] = items;
    throw new UserError(
      `The server refuses everything (${code}${path ? ` at ${path}` : ""}): ` +
        "see that agent and server are of the same version",
    );
  }

  /** The items collected since the last call. */
  take(): RefusedItem[] {
    const taken = this.#collected;
    this.#collected = [];
    return taken;
  }
}

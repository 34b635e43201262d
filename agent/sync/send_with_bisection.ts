/** Sends items past a server that refuses some of them, and stops when it refuses everything. */
import { UserError } from "../../lib/errors.ts";
import { RemoteError } from "../../lib/http/client.ts";
import type { RefusedItem } from "./sync_record.ts";

/** Why the server refused an item: an error code of the contract and the path of the fault, never a value. */
export interface Refusal {
  readonly code: string;
  readonly path: string;
}

export interface BisectionOptions<Item> {
  /** Sends items in one request. */
  send: (items: readonly Item[]) => Promise<void>;
  /** Notes items that the server will not take. */
  refuse: (items: readonly Item[], refusal: Refusal) => void;
  /** The field of the request that holds the items; a fault elsewhere does not go away with fewer items. */
  field: string;
}

/** So many in a row are no odd rows: agent and server do not understand each other. */
const MAX_CONSECUTIVE = 100;

function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof RemoteError)) return null;
  if (error.statusCode !== 400 && error.statusCode !== 413) return null;
  return { code: error.body.code, path: error.body.details?.[0]?.path ?? "" };
}

function isInItems({ path }: Refusal, field: string): boolean {
  return path === "" || path === field || path.startsWith(`${field}.`);
}

/**
 * Sends items in order. A request that is refused as invalid or too large is halved and sent again, down to the
 * single items that are at fault. Any other error is thrown.
 */
export async function sendWithBisection<Item>(
  items: readonly Item[],
  options: BisectionOptions<Item>,
): Promise<void> {
  try {
    return await options.send(items);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    if (items.length === 1 || !isInItems(refusal, options.field)) return options.refuse(items, refusal);
  }
  const middle = Math.ceil(items.length / 2);
  await sendWithBisection(items.slice(0, middle), options);
  await sendWithBisection(items.slice(middle), options);
}

/** Collects refused items until they are taken to be recorded. */
export class Refusals {
  #collected: RefusedItem[] = [];
  #consecutive = 0;
  #total = 0;

  /** How many were refused since the beginning. */
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
    throw new UserError(`The server refuses everything (${code}${path ? ` at ${path}` : ""})`, {
      fix: "Make sure that agent and server are of the same version",
    });
  }

  /** The items collected since the last call. */
  take(): RefusedItem[] {
    const taken = this.#collected;
    this.#collected = [];
    return taken;
  }
}

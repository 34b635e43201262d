/** Owns getting a batch past a server that refuses part of it: halved until what is at fault stands alone. */
import { RemoteError } from "../../lib/http/client.ts";

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

/** Owns doing the same to many items, a few at a time. */

/**
 * Does `work` to every item, at most `limit` at once, begun in their order. After a failure no further item is
 * begun; what is under way ends first, then the first failure is thrown.
 */
export async function concurrently<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  { limit }: { limit: number },
): Promise<void> {
  const waiting = items.values();
  const failures: unknown[] = [];
  const worker = async () => {
    for (const item of waiting) {
      if (failures.length > 0) return;
      await work(item).catch((error) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

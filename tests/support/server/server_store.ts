/** Owns the storage of the server's app in tests: the stores of a database of its own, and a ping of it. */
import type { Store, Stores } from "../../../server/store/store.ts";
import { createTestDatabase } from "../postgres/postgres.ts";

/** What the server's app needs of storage; disposing it drops the database. */
export type TestStore = Stores & Pick<Store, "ping"> & AsyncDisposable;

/** Makes an empty, migrated database and its stores. */
export async function openTestStore(): Promise<TestStore> {
  const { database, stores, [Symbol.asyncDispose]: dispose } = await createTestDatabase();
  const ping = async () => void await database.sql`select 1`;
  return { ...stores, ping, [Symbol.asyncDispose]: dispose };
}

/** Reads an account's adapters, and notes faults of those that serve. */
import { and, desc, eq, type SQL } from "drizzle-orm";
import type { AdapterFault } from "../../../contract/models.ts";
import { promote, type Promotion, type Rollback, rollBack } from "./adapter_promotion.ts";
import { bindTo, type Database } from "../database.ts";
import { type Adapter, adapters } from "../schema.ts";

export interface AdapterStore {
  /** All adapters of the account, newest first; pruning keeps them few. */
  list(accountId: string): Promise<readonly Adapter[]>;
  /** The adapter that the account's drafts are made with; undefined: the base model makes them. */
  promoted(accountId: string): Promise<Adapter | undefined>;
  /** True once something that the adapter learned from was deleted. */
  isTainted(accountId: string, adapterId: string): Promise<boolean>;
  /** Makes an adapter the one that drafts are made with. Of several at once, the last one stays. */
  promote(accountId: string, adapterId: string): Promise<Promotion>;
  /** Goes back to the adapter in use before, or to the base model. */
  rollBack(accountId: string): Promise<Rollback>;
  /** Notes why ml does not draft with an adapter; null once it does. */
  noteFault(
    accountId: string,
    note: { readonly adapterId: string; readonly fault: AdapterFault | null },
  ): Promise<void>;
}

function isAdapter(accountId: string, adapterId: string): SQL | undefined {
  return and(eq(adapters.accountId, accountId), eq(adapters.id, adapterId));
}

/** Makes the store of adapters. */
export function createAdapterStore(database: Database): AdapterStore {
  const { db } = database;
  const listWhere = (accountId: string, where?: SQL) =>
    db.select().from(adapters).where(and(eq(adapters.accountId, accountId), where))
      .orderBy(desc(adapters.createdAt), desc(adapters.id));
  return {
    ...bindTo(database, { promote, rollBack }),
    list: async (accountId) => await listWhere(accountId),
    promoted: async (accountId) => (await listWhere(accountId, eq(adapters.state, "promoted")))[0],
    isTainted: async (accountId, adapterId) =>
      await db.$count(adapters, and(isAdapter(accountId, adapterId), eq(adapters.state, "tainted"))) > 0,
    noteFault: async (accountId, { adapterId, fault }) => {
      await db.update(adapters).set({ fault }).where(isAdapter(accountId, adapterId));
    },
  };
}

/** Stores what an account's owner has chosen for the whole account. */
import { eq } from "drizzle-orm";
import type { AccountSettings } from "../../../contract/account.ts";
import { bindTo, type Database } from "../database.ts";
import { accounts } from "../schema.ts";

export interface AccountSettingsStore {
  /** Of an account that is gone, the defaults. */
  read(accountId: string): Promise<AccountSettings>;
  /** Changes those that are given. */
  change(accountId: string, change: Partial<AccountSettings>): Promise<void>;
}

const DEFAULTS: AccountSettings = { draftCoverage: 1, learnFromSent: false };

async function read({ db }: Database, accountId: string): Promise<AccountSettings> {
  const { draftCoverage, learnFromSent } = accounts;
  const [row] = await db.select({ draftCoverage, learnFromSent }).from(accounts)
    .where(eq(accounts.id, accountId));
  return row ?? DEFAULTS;
}

async function change(
  { db }: Database,
  accountId: string,
  { draftCoverage, learnFromSent }: Partial<AccountSettings>,
): Promise<void> {
  if (draftCoverage === undefined && learnFromSent === undefined) return;
  await db.update(accounts).set({ draftCoverage, learnFromSent }).where(eq(accounts.id, accountId));
}

export function createAccountSettings(database: Database): AccountSettingsStore {
  return bindTo(database, { read, change });
}

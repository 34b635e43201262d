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

const DEFAULTS: AccountSettings = { draftCoverage: 1, automaticCoverage: 1, learnFromSent: false };

async function read({ db }: Database, accountId: string): Promise<AccountSettings> {
  const { draftCoverage, automaticCoverage, learnFromSent } = accounts;
  const [row] = await db.select({ draftCoverage, automaticCoverage, learnFromSent }).from(accounts)
    .where(eq(accounts.id, accountId));
  return row ?? DEFAULTS;
}

async function change(
  { db }: Database,
  accountId: string,
  change: Partial<AccountSettings>,
): Promise<void> {
  if (Object.values(change).every((value) => value === undefined)) return;
  await db.update(accounts).set(change).where(eq(accounts.id, accountId));
}

export function createAccountSettings(database: Database): AccountSettingsStore {
  return bindTo(database, { read, change });
}

/** Deletes an account with all that is stored of it, and has ml delete what was made of it. */
import type { AccountDeletion } from "../../../contract/account.ts";
import { bindTo, type Database } from "../database.ts";
import { lockAccount } from "../messages/ingest_statements.ts";
import { draftCachePrefix } from "../messages/deletion.ts";
import { adaptersLockOf } from "../training/adapter_promotion.ts";

/** An account may have a million messages. */
const LIMIT = { timeoutMs: 600_000 };

export interface DeletedAccount {
  readonly counts: AccountDeletion;
  /** Drafts that were not finished: their jobs are still queued. */
  readonly unfinished: readonly string[];
}

export interface AccountDeletionStore {
  /** Deletes everything in one transaction. What ml holds is in its outbox then. */
  delete(accountId: string): Promise<DeletedAccount>;
}

function deleteAccount({ transaction }: Database, accountId: string): Promise<DeletedAccount> {
  return transaction(async ({ sql: tx }) => {
    await lockAccount(tx, accountId);
    // Before any sample is locked, as every deletion does.
    await tx`select pg_advisory_xact_lock(hashtextextended(${adaptersLockOf(accountId)}, 0))`;
    // What the devices hold open ends when this is committed.
    const devices = await tx`
      update devices set status = 'deactivated', deactivated_at = coalesce(deactivated_at, now())
      where account_id = ${accountId}`;
    const unfinished = await tx<{ id: string }>`
      select id from responses where account_id = ${accountId} and status in ('queued', 'generating')`;
    await tx`insert into ml_outbox (kind, target) values ('clear_cache', ${
      draftCachePrefix(accountId) + "*"
    })`;
    await tx`
      insert into ml_outbox (kind, target) select 'cancel_training', id::text from training_jobs
      where account_id = ${accountId} and status in ('queued', 'training')`;
    const samples = await tx`delete from training_samples where account_id = ${accountId}`;
    const adapters = await tx`
      insert into ml_outbox (kind, target) select 'delete_adapter', id from adapters where account_id = ${accountId}`;
    await tx`delete from training_jobs where account_id = ${accountId}`;
    const responses = await tx`delete from responses where account_id = ${accountId}`;
    const messages = await tx`delete from messages where account_id = ${accountId}`;
    const conversations = await tx`delete from conversations where account_id = ${accountId}`;
    const contacts = await tx`delete from contacts where account_id = ${accountId}`;
    await tx`delete from accounts where id = ${accountId}`;
    return {
      unfinished: unfinished.map(({ id }) => id),
      counts: {
        messages: messages.count,
        conversations: conversations.count,
        contacts: contacts.count,
        responses: responses.count,
        samples: samples.count,
        adapters: adapters.count,
        devices: devices.count,
      },
    };
  }, LIMIT);
}

export function createAccountDeletion(database: Database): AccountDeletionStore {
  return bindTo(database, { delete: deleteAccount });
}

/** Stores training samples, made of the person's actions and sent replies. */
import { and, eq, gt, type SQL, sql as drizzleSql } from "drizzle-orm";
import type { Deletion } from "../../../contract/conversations.ts";
import { bindTo, type Database, messagesLockOf, newId } from "../database.ts";
import { type DeletedThing, deleteSample } from "../messages/deletion.ts";
import { behind, newestFirst, type Page, type PageRequest, type Position, readNewest } from "../paging.ts";
import { type TrainingSample, trainingSamples } from "../schema.ts";
import { isNeverTrained } from "../messages/conversation_policy.ts";
import { rawFragment } from "../sql.ts";
import { sentReplies, type SentReply, type SentReplyRequest } from "../drafts/sent_replies.ts";

/** A sample made of a reply that the person sent. */
export interface ImportedSample {
  /** The sent reply; its sample is imported only once. */
  readonly messageId: string;
  readonly input: string;
  readonly output: string;
  /** In [0, 1]. */
  readonly quality: number;
  /** All messages whose text is in the input or the output. */
  readonly sourceMessageIds: readonly string[];
}

export interface SampleStore {
  /** Samples, newest first. */
  list(accountId: string, page: PageRequest): Promise<Page<TrainingSample>>;
  /** Samples with a quality above 0, newest first, at most `limit`. */
  listTrainable(accountId: string, limit: number): Promise<readonly TrainingSample[]>;
  /** Those of these samples that the account has, in the order of `ids`, each once. */
  findMany(accountId: string, ids: readonly string[]): Promise<readonly TrainingSample[]>;
  /** Adds samples of the account's own messages; returns how many were new. */
  import(accountId: string, samples: readonly ImportedSample[]): Promise<number>;
  /** All samples, newest first, some at a time, without a connection held between. */
  each(accountId: string): AsyncGenerator<readonly TrainingSample[]>;
  /** What the person sent, to make samples of: latest first, some at a time, as far as it is read. */
  sentReplies(request: SentReplyRequest): AsyncGenerator<readonly SentReply[]>;
  /** Deletes a sample; the adapters that learned from it are tainted. Undefined when the account has no such sample. */
  delete(accountId: string, sample: DeletedThing): Promise<Deletion | undefined>;
}

const EXPORTED_AT_ONCE = 500;
const NEWEST = { time: trainingSamples.createdAt, id: trainingSamples.id };

function ofAccount(accountId: string): SQL {
  return eq(trainingSamples.accountId, accountId);
}

function list(database: Database, accountId: string, page: PageRequest): Promise<Page<TrainingSample>> {
  return readNewest(database, page, { table: trainingSamples, where: ofAccount(accountId) });
}

async function listTrainable(
  { db }: Database,
  accountId: string,
  limit: number,
): Promise<readonly TrainingSample[]> {
  return await db.select().from(trainingSamples)
    .where(and(ofAccount(accountId), gt(trainingSamples.quality, 0)))
    .orderBy(...newestFirst(NEWEST)).limit(limit);
}

async function findMany(
  { db }: Database,
  accountId: string,
  ids: readonly string[],
): Promise<readonly TrainingSample[]> {
  // One array parameter: a list of single ones ends at 65,534.
  const wanted = drizzleSql`${trainingSamples.id} = any(${drizzleSql.param(ids)}::uuid[])`;
  const rows = await db.select().from(trainingSamples).where(and(ofAccount(accountId), wanted));
  const byId = new Map(rows.map((row) => [row.id, row]));
  return [...new Set(ids.map((id) => id.toLowerCase()))].flatMap((id) => byId.get(id) ?? []);
}

function importSamples(
  { transaction }: Database,
  accountId: string,
  samples: readonly ImportedSample[],
): Promise<number> {
  const rows = JSON.stringify(samples.map((sample) => ({ id: newId(), ...sample })));
  return transaction(async ({ sql: tx }) => {
    // A message that is being deleted is either there until the sample is, and takes it along, or is missed here.
    await tx`select pg_advisory_xact_lock_shared(hashtextextended(${messagesLockOf(accountId)}, 0))`;
    const result = await tx`
      insert into training_samples (
        id, account_id, conversation_id, message_id, source_message_ids, input, output, quality, source)
      select r.id, ${accountId}, m.conversation_id, m.id, r."sourceMessageIds", r.input, r.output, r.quality, 'import'
      from json_to_recordset(${rows}::text::json) as r(
        id uuid, "messageId" uuid, "sourceMessageIds" uuid[], input text, output text, quality real)
      join messages m on m.id = r."messageId" and m.account_id = ${accountId}
      where not exists (
        select from unnest(r."sourceMessageIds") as source(id)
        where not exists (select from messages s where s.id = source.id and s.account_id = ${accountId}))
        and not ${isNeverTrained(accountId, rawFragment('array_append(r."sourceMessageIds", m.id)'))}
      on conflict (account_id, message_id) where source = 'import' do nothing`;
    return result.count;
  });
}

async function* each({ db }: Database, accountId: string): AsyncGenerator<readonly TrainingSample[]> {
  let after: Position | undefined;
  while (true) {
    const rows = await db.select().from(trainingSamples)
      .where(and(ofAccount(accountId), behind(after, NEWEST)))
      .orderBy(...newestFirst(NEWEST)).limit(EXPORTED_AT_ONCE);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < EXPORTED_AT_ONCE) return;
    after = { at: last.createdAt, id: last.id };
  }
}

export function createSampleStore(database: Database): SampleStore {
  const methods = {
    list,
    listTrainable,
    findMany,
    each,
    sentReplies,
    import: importSamples,
    delete: deleteSample,
  };
  return bindTo(database, methods);
}

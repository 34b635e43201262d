/** Stores training samples, made of the person's actions and sent replies. */
import { and, eq, gt, isNull, ne, or, type SQL, sql as drizzleSql } from "drizzle-orm";
import type { Deletion } from "../../../contract/conversations.ts";
import { bindTo, type Database, messagesLockOf, newId } from "../database.ts";
import { type DeletedThing, deleteSample } from "../messages/deletion.ts";
import { behind, newestFirst, type Page, type PageRequest, type Position, readNewest } from "../paging.ts";
import {
  type DraftResponse,
  responses,
  type SampleSource,
  type TrainingSample,
  trainingSamples,
} from "../schema.ts";
import { isNeverTrained } from "../messages/conversation_policy.ts";
import { fragment, rawFragment } from "../sql.ts";
import { sentReplies, type SentReply, type SentReplyRequest } from "../drafts/sent_replies.ts";

/** A sample made of a reply that the person sent; with the fields of a draft, one that was sent in its place. */
export interface ImportedSample {
  /** The sent reply; its sample is imported only once. */
  readonly messageId: string;
  readonly input: string;
  readonly output: string;
  /** In [0, 1]. */
  readonly quality: number;
  /** All messages whose text is in the input or the output. */
  readonly sourceMessageIds: readonly string[];
  /** The draft that was not used. */
  readonly responseId?: string;
  /** Its text, where the reply is far from it. */
  readonly rejectedOutput?: string | null;
}

export interface SamplePageRequest extends PageRequest {
  readonly source?: SampleSource;
}

export interface SampleStore {
  /** Samples, or those of one source, newest first. */
  list(accountId: string, page: SamplePageRequest): Promise<Page<TrainingSample>>;
  /** Samples with a quality above 0, newest first, at most `limit`. */
  listTrainable(accountId: string, limit: number): Promise<readonly TrainingSample[]>;
  /** Those of these samples that the account has, in the order of `ids`, each once. */
  findMany(accountId: string, ids: readonly string[]): Promise<readonly TrainingSample[]>;
  /**
   * Adds samples of the account's own messages; returns how many were new. A reply of which there is a sample makes no
   * other one, nor does one to a message whose draft was accepted or edited.
   */
  import(accountId: string, samples: readonly ImportedSample[]): Promise<number>;
  /**
   * Completed drafts that were neither accepted nor edited, and of which nothing was learned yet, newest first and some at a
   * time: at most 2,000.
   */
  unusedDrafts(accountId: string): AsyncGenerator<readonly DraftResponse[]>;
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

function list(
  database: Database,
  accountId: string,
  { source, ...page }: SamplePageRequest,
): Promise<Page<TrainingSample>> {
  const ofSource = source && eq(trainingSamples.source, source);
  return readNewest(database, page, { table: trainingSamples, where: and(ofAccount(accountId), ofSource) });
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

/** True for a sample of a draft that was not used, to whose message no other draft was; the draft is `d`. */
function isUnused(accountId: string): SQL {
  return fragment`d.account_id = ${accountId} and not d.learned and coalesce(d.action, 'reject') = 'reject'
    and not exists (
      select from training_samples used
      where used.account_id = ${accountId} and used.source in ('accept', 'edit') and used.message_id = d.message_id)`;
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
    const drafts = samples.flatMap(({ responseId }) => responseId ?? []);
    // A draft that is being accepted meanwhile has its sample then.
    await tx`select from responses where account_id = ${accountId} and id = any(${drafts}::uuid[]) order by id for update`;
    const made = await tx<{ draft: string | null }>`
      insert into training_samples (
        id, account_id, conversation_id, message_id, response_id, source_message_ids, input, output, rejected_output,
        quality, source)
      select r.id, ${accountId}, m.conversation_id, m.id, d.id, r."sourceMessageIds", r.input, r.output, r."rejectedOutput",
        r.quality, case when d.id is null then 'import' else 'sent' end
      from json_to_recordset(${rows}::text::json) as r(
        id uuid, "messageId" uuid, "responseId" uuid, "sourceMessageIds" uuid[], input text, output text,
        "rejectedOutput" text, quality real)
      join messages m on m.id = r."messageId" and m.account_id = ${accountId}
      left join responses d on d.id = r."responseId" and ${isUnused(accountId)}
      where d.id is not distinct from r."responseId"
        and not exists (
          select from unnest(r."sourceMessageIds") as source(id)
          where not exists (select from messages s where s.id = source.id and s.account_id = ${accountId}))
        and not ${isNeverTrained(accountId, rawFragment('array_append(r."sourceMessageIds", m.id)'))}
      on conflict do nothing returning response_id as draft`;
    await tx`
      update responses set learned = true
      where account_id = ${accountId} and id = any(${made.flatMap(({ draft }) => draft ?? [])}::uuid[])`;
    return made.count;
  });
}

const UNUSED_AT_ONCE = 100;
/** An account's latest drafts without an action that are looked at. */
const MAX_UNUSED = 2_000;

async function* unusedDrafts(
  { db }: Database,
  accountId: string,
): AsyncGenerator<readonly DraftResponse[]> {
  const order = { time: responses.createdAt, id: responses.id };
  let after: Position | undefined;
  for (let count = 0; count < MAX_UNUSED; count += UNUSED_AT_ONCE) {
    const rows = await db.select().from(responses)
      .where(and(
        eq(responses.accountId, accountId),
        eq(responses.status, "completed"),
        eq(responses.learned, false),
        or(isNull(responses.action), eq(responses.action, "reject")),
        ne(responses.response, ""),
        behind(after, order),
      ))
      .orderBy(...newestFirst(order)).limit(UNUSED_AT_ONCE);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < UNUSED_AT_ONCE) return;
    after = { at: last.createdAt, id: last.id };
  }
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
    unusedDrafts,
    delete: deleteSample,
  };
  return bindTo(database, methods);
}

/**
 * Compares what reading costs in a short and in a long history: lists, first and last pages, contacts, import of samples,
 * search.
 *
 * `deno run -A bench/server/reading_bench.ts [short] [long]` (10,000 and 1,000,000 messages): on an embedded PostgreSQL of its
 * own, at the stores, in accounts that take turns. Each history is measured in as many conversations as the other one, in
 * 100 against 5,000 conversations, and as one conversation of half its length. The figures are medians; what counts is
 * the last column.
 */
import { MAX_PAGE_SIZE } from "../../contract/paging.ts";
import { MAX_SEARCH_RESULTS } from "../../contract/search.ts";
import { writeLine } from "../../lib/log.ts";
import { median } from "../support/bench_output.ts";
import { importSamples } from "../../server/services/training/sample_import.ts";
import { type Database, newId, openDatabase } from "../../server/store/database.ts";
import { migrate } from "../../server/store/migrate.ts";
import { startEmbeddedPostgres } from "../../server/store/postgres/embedded_postgres.ts";
import { createStores, type Stores } from "../../server/store/store.ts";

const DEFAULT_SHORT = 10_000;
const DEFAULT_LONG = 1_000_000;
const CONVERSATIONS = 100;
const MANY_CONVERSATIONS = 5_000;
const RUNS = 15;
const IMPORTED = 200;
const PAGE_SIZE = 20;
/** The last words of so many messages of each history, evenly spread over it: what is searched is in some and in no other. */
const RARE_MESSAGES = 50;
const RARE_WORDS = "Zahnarzttermin 牙医 🦷";

interface History {
  readonly messages: number;
  readonly conversations: number;
}

/** An account with a history; messages alternate in pairs, a minute apart, over its conversations. */
interface Account extends History {
  readonly accountId: string;
  readonly conversationId: string;
  readonly conversationMessages: number;
}

async function fill({ sql }: Database, { messages, conversations }: History): Promise<Account> {
  const accountId = newId();
  await sql`insert into accounts (id) values (${accountId})`;
  await sql`
    insert into conversations (id, account_id, imessage_id, is_group, participant_ids)
    select gen_random_uuid(), ${accountId}, 'chat-' || n, false, array['+1555' || lpad(n::text, 7, '0')]
    from generate_series(0, ${conversations}::int - 1) n`;
  await sql`
    insert into contacts (id, account_id, identity, phone_number, display_name)
    select gen_random_uuid(), ${accountId}, '+1555' || lpad(n::text, 7, '0'), '+1555' || lpad(n::text, 7, '0'), 'Someone ' || n
    from generate_series(0, ${conversations}::int - 1) n`;
  await sql`
    insert into messages (id, account_id, conversation_id, imessage_guid, sender_id, direction, message_type, text, sent_at,
      search_keys)
    select gen_random_uuid(), ${accountId}, c.id, 'message-' || n, case when n % 2 = 0 then c.participant_ids[1] end,
      case when n % 2 = 0 then 'incoming' else 'outgoing' end, 'text', t.text,
      '2001-01-01Z'::timestamptz + make_interval(mins => n), search_keys(t.text)
    from generate_series(0, ${messages}::int - 1) n
    cross join lateral (select 'See you at seven then, number ' || n || case when n % 2 = 0 then ' morning' else ' evening' end ||
      case when n % ${
    Math.ceil(messages / RARE_MESSAGES)
  }::int = 0 then ${` ${RARE_WORDS}`} else '' end as text) t
    join conversations c on c.account_id = ${accountId} and c.imessage_id = 'chat-' || (n / 2 % ${conversations}::int)`;
  await sql`
    update conversations c set message_count = m.count, last_message_at = m.latest
    from (select conversation_id, count(*) as count, max(sent_at) as latest from messages
      where account_id = ${accountId} group by conversation_id) m
    where c.id = m.conversation_id`;
  const [chat] = await sql<{ id: string; count: number }>`
    select id, message_count as count from conversations where account_id = ${accountId} and imessage_id = 'chat-0'`;
  if (!chat) throw new Error("The first conversation was not found");
  return { accountId, messages, conversations, conversationId: chat.id, conversationMessages: chat.count };
}

/** Searches for words; what is found must be so many messages. */
function searching(words: string, expected: number): Action {
  return async ({ search }, { accountId }) => {
    const request = { words: words.split(" "), limit: MAX_SEARCH_RESULTS, page: 1, pageSize: PAGE_SIZE };
    const { total } = await search.find(accountId, request);
    if (total !== expected) throw new Error(`${total} messages were found`);
  };
}

type Action = (stores: Stores, account: Account) => Promise<unknown>;

const ACTIONS: Readonly<Record<string, Action>> = {
  "list, first page": ({ conversations }, { accountId }) =>
    conversations.list(accountId, { page: 1, pageSize: PAGE_SIZE }),
  "contacts, first page": ({ contacts }, { accountId }) =>
    contacts.list(accountId, { page: 1, pageSize: PAGE_SIZE }),
  "messages, first page": ({ conversations }, { accountId, conversationId }) =>
    conversations.messages(accountId, { conversationId, page: 1, pageSize: PAGE_SIZE }),
  "messages, last page": ({ conversations }, { accountId, conversationId, conversationMessages }) =>
    conversations.messages(accountId, {
      conversationId,
      page: Math.ceil(conversationMessages / MAX_PAGE_SIZE),
      pageSize: MAX_PAGE_SIZE,
    }),
  "search, word in few": searching("Zahnarzttermin", RARE_MESSAGES),
  "search, part of a word": searching("arztter", RARE_MESSAGES),
  "search, Chinese in few": searching("牙医", RARE_MESSAGES),
  "search, emoji in few": searching("🦷", RARE_MESSAGES),
  "search, word in all": searching("seven", MAX_SEARCH_RESULTS),
  "search, word in none": searching("nowhere", 0),
  "search, never together": searching("morning evening", 0),
  "search, letter in none": searching("q", 0),
  [`import of ${IMPORTED}`]: async (stores, { accountId }) => {
    const { imported } = await importSamples(stores, {
      accountId,
      request: { limit: IMPORTED, dryRun: false },
    });
    if (imported !== IMPORTED) throw new Error(`${imported} samples were imported`);
  },
};

/** Median times in milliseconds by action; the two accounts take turns. */
async function compare(stores: Stores, accounts: readonly [Account, Account]): Promise<void> {
  const [short, long] = accounts;
  writeLine(
    `${short.messages.toLocaleString("en")} messages in ${
      short.conversations.toLocaleString("en")
    } conversations, then ` +
      `${long.messages.toLocaleString("en")} in ${long.conversations.toLocaleString("en")}`,
  );
  for (const [name, action] of Object.entries(ACTIONS)) {
    const times = accounts.map(() => [] as number[]);
    for (let run = -1; run < RUNS; run++) {
      for (const [index, account] of accounts.entries()) {
        const startedMs = performance.now();
        await action(stores, account);
        if (run >= 0) times[index]?.push(performance.now() - startedMs);
      }
    }
    const [before = NaN, after = NaN] = times.map((all) => median(all));
    const cells = [before.toFixed(1), after.toFixed(1), `${(after / before).toFixed(2)} x`];
    writeLine(`  ${name.padEnd(24)}${cells.map((cell) => cell.padStart(12)).join("")}`);
  }
}

async function main(short: number, long: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "reading-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const server = stack.use(await startEmbeddedPostgres(folder));
  const filling = { statementTimeoutMs: 0, queryTimeoutMs: 3_600_000 };
  const database = stack.use(openDatabase({ ...server.address, ...filling }));
  await migrate(database);
  const stores = createStores(database);
  const pairs: [History, History][] = [
    [{ messages: short, conversations: CONVERSATIONS }, { messages: long, conversations: CONVERSATIONS }],
    [{ messages: short, conversations: CONVERSATIONS }, {
      messages: short,
      conversations: MANY_CONVERSATIONS,
    }],
    [{ messages: short, conversations: 1 }, { messages: long / 2, conversations: 1 }],
  ];
  for (const [first, second] of pairs) {
    const accounts = [await fill(database, first), await fill(database, second)] as const;
    await database.sql.script("vacuum analyze");
    await compare(stores, accounts);
  }
}

const [short = DEFAULT_SHORT, long = DEFAULT_LONG] = Deno.args.map(Number);
await main(short, long);

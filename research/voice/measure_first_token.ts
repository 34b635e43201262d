/**
 * Measures what retrieved examples cost before a draft's first token: two servers on one running ml, one with examples and
 * one without, hold the same messages and draft in turn.
 */
import { join } from "node:path";
import { messageListSchema } from "../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import type { Corpus } from "../../demo/corpus.ts";
import { startMl } from "../../demo/services.ts";
import { serverSentEventsOf } from "../../lib/http/client.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { startServerApp } from "../../tests/support/server/server_app.ts";
import {
  type MessageInput,
  sendBatch,
  type Sender,
  syncBatch,
} from "../../tests/support/server/sync_batches.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { median, tableLines } from "../../bench/support/bench_output.ts";
import { storyContent } from "../style/story_content.ts";
import { medianInterval } from "./intervals.ts";
import { ResultsFile } from "./results_file.ts";

const MEASURED_PEOPLE = 4;
/** Of each person the latest so many, and so many drafts in each. */
const TALKS = 5;
const DRAFTS = 5;
const PAGE = 200;
/** Only the first one counts. */
const MAX_TOKENS = 8;

/** Milliseconds to the first token of one draft. */
export interface FirstToken {
  /** The how many-th draft of its talk, from 0. */
  place: number;
  withExamples: number;
  without: number;
}

/** Units are people. */
export const FIRST_TOKENS = new ResultsFile<{ drafts: FirstToken[] }>("first_tokens");

type Talk = ReturnType<typeof storyContent>["conversations"][number]["conversation"];

/** Its messages in order, a second apart at least. */
function messagesOf({ messages }: Talk, handle: string): MessageInput[] {
  let sentAt = 0;
  return messages.flatMap((turn) =>
    turn.bubbles.map((text) => {
      sentAt = Math.max(sentAt + 1_000, Date.parse(turn.sentAt));
      const isOwn = turn.from === "me";
      return {
        imessageGuid: crypto.randomUUID(),
        senderId: isOwn ? null : handle,
        direction: isOwn ? "outgoing" as const : "incoming" as const,
        text,
        sentAt: new Date(sentAt).toISOString(),
      };
    })
  );
}

/** Sends every talk; returns the ids of the messages that the person answered, by talk. */
async function send(sender: Sender, talks: readonly Talk[]): Promise<string[][]> {
  const answered: string[][] = [];
  for (const [index, talk] of talks.entries()) {
    const handle = `+1202555${1_000 + index}`;
    const { conversationId } = await sendBatch(
      sender,
      syncBatch(messagesOf(talk, handle), {
        conversationImessageId: `any;-;${handle}`,
        conversationDisplayName: null,
        participantIds: [handle],
      }),
    );
    const path = `${pathOf(SERVER_PATHS.conversationMessages, { id: conversationId })}?pageSize=${PAGE}`;
    const { messages } = await sender.server.expect(path, { token: sender.token, schema: messageListSchema });
    const inOrder = messages.toReversed();
    answered.push(
      inOrder.filter(({ direction }, at) =>
        direction === "incoming" && inOrder[at + 1]?.direction === "outgoing"
      ).map(({ id }) => id),
    );
  }
  return answered;
}

/** Null for a draft that ended without a token. */
async function firstTokenMs({ server, token }: Sender, messageId: string): Promise<number | null> {
  const startedAt = performance.now();
  const response = await server.send(SERVER_PATHS.generateResponse, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "text/event-stream",
    },
    body: JSON.stringify({ messageId, context: { maxTokens: MAX_TOKENS } }),
  });
  let tookMs: number | null = null;
  if (!response.ok || response.body === null) throw new Error(`A draft was answered with ${response.status}`);
  for await (const { event } of serverSentEventsOf(response.body)) {
    if (event === "token") tookMs ??= performance.now() - startedAt;
  }
  return tookMs;
}

/** A draft on either side, the first one changing. */
async function inTurn(
  sides: readonly [Sender, Sender],
  messageIds: readonly [string, string],
  place: number,
): Promise<FirstToken[]> {
  const took: (number | null)[] = [null, null];
  for (const side of place % 2 === 0 ? [0, 1] as const : [1, 0] as const) {
    took[side] = await firstTokenMs(sides[side], messageIds[side]);
  }
  const [withExamples = null, without = null] = took;
  return withExamples === null || without === null ? [] : [{ place, withExamples, without }];
}

async function measurePerson(corpus: Corpus, id: string, mlUrl: string): Promise<FirstToken[]> {
  const all = Object.keys(corpus).length;
  const talks = storyContent(corpus, { person: id, earlier: all, waiting: 0 }).conversations
    .map(({ conversation }) => conversation);
  await using stack = new AsyncDisposableStack();
  const open = async (examples: string) => {
    const settings = { ML_URL: mlUrl, DRAFT_EXAMPLES: examples };
    const server = stack.use(await startServerApp({ settings }));
    const sender = { server, token: (await server.pair()).token };
    return { sender, answered: await send(sender, talks) };
  };
  const [having, lacking] = [await open("untrained"), await open("off")];
  const sides = [having.sender, lacking.sender] as const;
  const drafts: FirstToken[] = [];
  const latest = having.answered.flatMap((ids, talk) => ids.length < DRAFTS ? [] : [talk]).slice(-TALKS);
  for (const talk of latest) {
    for (let place = 0; place < DRAFTS; place++) {
      const [one, other] = [having, lacking].map(({ answered }) => answered[talk]?.[place]);
      if (one !== undefined && other !== undefined) drafts.push(...await inTurn(sides, [one, other], place));
    }
  }
  return drafts;
}

/** Measures some of the people, in the order given. */
export async function measureFirstToken(corpus: Corpus, people: readonly PersonReplies[]): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "first-token-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ml = stack.use(
    await startMl(join(dir, "services"), (await fetchSmallModel()).path, { THREADS: "1" }),
  );
  for (const { id } of people.slice(0, MEASURED_PEOPLE)) {
    await FIRST_TOKENS.unit(id, async () => ({ drafts: await measurePerson(corpus, id, ml.url) }));
  }
}

/** Medians, apart for the first draft of a talk and those after it, whose examples are the same. */
export function firstTokenTable(drafts: readonly FirstToken[]): string[] {
  const row = (name: string, isShown: (place: number) => boolean) => {
    const shown = drafts.filter(({ place }) => isShown(place));
    const ratios = shown.map(({ withExamples, without }) => withExamples / without);
    return [
      name,
      String(shown.length),
      median(shown.map(({ without }) => without)).toFixed(0),
      median(shown.map(({ withExamples }) => withExamples)).toFixed(0),
      median(ratios).toFixed(2),
      medianInterval(ratios)?.map((ratio) => ratio.toFixed(2)).join(" to ") ?? "",
    ];
  };
  return tableLines([
    "draft",
    "pairs",
    "without, ms",
    "with examples, ms",
    "median of ratios",
    "95 % interval",
  ], [
    row("first of a talk", (place) => place === 0),
    row("second and third", (place) => place === 1 || place === 2),
    row("fourth and fifth", (place) => place > 2),
    row("all but the first", (place) => place > 0),
    row("all", () => true),
  ]);
}

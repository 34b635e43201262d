/** Makes training samples of replies that the person sent, each with the prompt its draft would have had. */
import { generateContextSchema } from "../../../contract/responses.ts";
import {
  type ImportSamplesRequest,
  type ImportSamplesResponse,
  MAX_IMPORTED_REPLY_LENGTH,
  MAX_IMPORTED_SAMPLES,
  type SkippedReplies,
} from "../../../contract/training.ts";
import {
  isAutomatedMessage,
  isOneTimeCode,
  isReactionText,
} from "../../../contract/messages/message_classifier.ts";
import { ApiError, invalidRequest } from "../../../lib/errors.ts";
import type { MessageHistory } from "../../store/messages/conversation_store.ts";
import type { ImportedSample, SampleStore } from "../../store/training/sample_store.ts";
import type { SentReply } from "../../store/drafts/sent_replies.ts";
import { promptOf, type PromptStores, promptTextOf } from "../drafts/prompt_builder.ts";

export interface SampleImportOptions extends PromptStores {
  samples: Pick<SampleStore, "sentReplies" | "import">;
}

/** What came later than this after a message is hardly an answer to it. */
export const MAX_DELAY_SECONDS = 6 * 60 * 60;
/** What was sent is as good as what was accepted. */
const IMPORTED_QUALITY = 1;
/** Most replies looked at that are no samples yet. */
const MAX_EXAMINED = 4 * MAX_IMPORTED_SAMPLES;
/** A draft's, when nothing else is asked for. */
const CONTEXT = generateContextSchema.parse({});
/** Samples made and stored at once. */
const CHUNK = 100;

/** Nothing but links, and nothing but digits: codes, amounts, telephone numbers. */
const ONLY_LINKS = /^(?:https?:\/\/\S+\s*)+$/i;
const ONLY_NUMBER = /^[\d\s+().,:/-]*\d[\d\s+().,:/-]*$/;

/** A reply's text as the model is to write it: its bubbles as lines, without reactions that were sent as texts. */
export function replyTextOf({ texts, before }: Pick<SentReply, "texts" | "before">): string {
  const others = [before?.text ?? null];
  return texts.filter((text) => !isReactionText(text, others)).map(promptTextOf)
    .filter((text) => text !== "").join("\n");
}

/** Nothing that a model could learn: a link, a number, a code, or a text that is too long. */
export function isUnsuitable(text: string): boolean {
  return text === "" || text.length > MAX_IMPORTED_REPLY_LENGTH || ONLY_LINKS.test(text) ||
    ONLY_NUMBER.test(text) || isOneTimeCode(text);
}

/** Why a reply makes no sample; null when it does. */
export function reasonToSkip(reply: SentReply): keyof SkippedReplies | null {
  const { before, delaySeconds, isSample, neverTrain } = reply;
  if (neverTrain) return "neverTrain";
  if (isSample) return "repeated";
  if (before?.direction !== "incoming" || delaySeconds === null) return "unprompted";
  if (delaySeconds > MAX_DELAY_SECONDS) return "late";
  if (isAutomatedMessage(before) || isReactionText(before.text)) return "automated";
  return isUnsuitable(replyTextOf(reply)) ? "unsuitable" : null;
}

/** Remembers what a store answered, for the length of one import. */
function remembering<Key, Value>(
  ask: (accountId: string, key: Key) => Promise<Value>,
): (accountId: string, key: Key) => Promise<Value> {
  const answers = new Map<string, Promise<Value>>();
  return (accountId, key) => {
    const name = JSON.stringify([accountId, key]);
    const known = answers.get(name) ?? ask(accountId, key);
    answers.set(name, known);
    return known;
  };
}

/** The stores of one import: its replies come from far fewer conversations and people. */
function rememberingStores({ conversations, contacts }: PromptStores): PromptStores {
  return {
    conversations: {
      ...conversations,
      find: remembering(conversations.find),
      withSamePerson: remembering(conversations.withSamePerson),
    },
    contacts: { findByHandles: remembering(contacts.findByHandles) },
  };
}

/** Undefined when the message before cannot be answered: it is nothing but attachments, or was deleted just now. */
async function sampleOf(
  stores: PromptStores,
  { reply, history }: { reply: SentReply; history: MessageHistory | undefined },
): Promise<ImportedSample | undefined> {
  if (history === undefined) return undefined;
  try {
    const prompt = await promptOf(stores, { history, context: CONTEXT });
    return {
      messageId: reply.messageId,
      input: prompt.text,
      output: replyTextOf(reply),
      quality: IMPORTED_QUALITY,
      sourceMessageIds: [...prompt.sourceMessageIds, ...reply.bubbleIds],
    };
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
}

/** Samples of some replies, whose histories are read at once. */
async function samplesOf(
  stores: PromptStores,
  { accountId, replies }: { accountId: string; replies: readonly SentReply[] },
): Promise<ImportedSample[]> {
  const messageIds = replies.flatMap(({ before }) => before?.messageId ?? []);
  const histories = await stores.conversations.histories(accountId, {
    messageIds,
    limit: CONTEXT.maxHistory,
  });
  const samples = await Promise.all(
    replies.map((reply) =>
      sampleOf(stores, { reply, history: histories.get(reply.before?.messageId ?? "") })
    ),
  );
  return samples.filter((sample) => sample !== undefined);
}

/**
 * Replies to make samples of, the latest first, and how many others there were of each kind. It reads until it has enough.
 * Those that are samples already are left out, and counted only when that left too few.
 */
async function chooseReplies(
  found: AsyncIterable<readonly SentReply[]>,
  limit: number,
): Promise<{ chosen: SentReply[]; examined: number; skipped: Required<SkippedReplies> }> {
  const skipped = { repeated: 0, unprompted: 0, late: 0, automated: 0, neverTrain: 0, unsuitable: 0 };
  const chosen: SentReply[] = [];
  let [examined, repeated] = [0, 0];
  for await (const replies of found) {
    for (const reply of replies) {
      const reason = reasonToSkip(reply);
      if (reason === "repeated") {
        repeated++;
        continue;
      }
      examined++;
      if (reason === null) chosen.push(reply);
      else skipped[reason]++;
      if (chosen.length === limit || examined === MAX_EXAMINED) return { chosen, examined, skipped };
    }
  }
  skipped.repeated = Math.min(repeated, MAX_EXAMINED - examined);
  return { chosen, examined: examined + skipped.repeated, skipped };
}

async function checkConversations(
  { conversations }: SampleImportOptions,
  { accountId, ids }: { accountId: string; ids: readonly string[] },
): Promise<void> {
  const found = await Promise.all(ids.map((id) => conversations.find(accountId, id)));
  const message = "must be the id of a conversation";
  const details = found.flatMap((row, index) =>
    row === undefined ? [{ path: `conversationIds.${index}`, message }] : []
  );
  if (details.length > 0) throw invalidRequest(details);
}

/**
 * Makes samples of the account's sent replies. Again, it makes only those that are missing.
 *
 * @throws ApiError `validation_failed` naming each id that is no conversation of the account
 */
export async function importSamples(
  options: SampleImportOptions,
  { accountId, request }: { accountId: string; request: ImportSamplesRequest },
): Promise<ImportSamplesResponse> {
  const { conversationIds, limit, dryRun } = request;
  await checkConversations(options, { accountId, ids: conversationIds ?? [] });
  const replies = options.samples.sentReplies({ accountId, conversationIds });
  const { chosen, examined, skipped } = await chooseReplies(replies, limit);
  const stores = rememberingStores(options);
  let imported = 0;
  for (let from = 0; from < chosen.length; from += CHUNK) {
    const chunk = chosen.slice(from, from + CHUNK);
    const made = await samplesOf(stores, { accountId, replies: chunk });
    const added = dryRun ? made.length : await options.samples.import(accountId, made);
    imported += added;
    skipped.unsuitable += chunk.length - made.length;
    // Another import was faster with these.
    skipped.repeated += made.length - added;
  }
  return { imported, examined, skipped };
}

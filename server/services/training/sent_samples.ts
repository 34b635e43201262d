/**
 * Makes training samples of what the person sent in place of a draft that they did not use: what they sent is the right
 * reply to the draft's own prompt, and the draft is the rejected one where it is far from it.
 */
import type { SentReply } from "../../../contract/responses.ts";
import type { AccountSettingsStore } from "../../store/account/account_settings.ts";
import type { ResponseStore } from "../../store/drafts/response_store.ts";
import type { DraftResponse } from "../../store/schema.ts";
import type { ImportedSample, SampleStore } from "../../store/training/sample_store.ts";
import { isSmallChange } from "../acceptance/outcome.ts";
import { promptTextOf } from "../drafts/prompt_builder.ts";
import { findSentReplies } from "../drafts/sent_reply.ts";
import { findStale } from "../drafts/stale_drafts.ts";
import { isUnsuitable, MAX_DELAY_SECONDS } from "./sample_import.ts";
import { replyWeight } from "./sample_weight.ts";

export interface SentSamplesOptions {
  samples: Pick<SampleStore, "unusedDrafts" | "import">;
  responses: Pick<ResponseStore, "repliesTo" | "sources">;
  accountSettings: Pick<AccountSettingsStore, "read">;
}

/** Whether a reply was sent with the draft in sight, to the message that it answers, and soon. */
function isInPlaceOf(
  { messageId, completedAt }: DraftResponse,
  { answeredMessageId, messages: [first] }: SentReply,
): boolean {
  if (first === undefined || completedAt === null || answeredMessageId !== messageId) return false;
  const delayMs = Date.parse(first.sentAt) - completedAt.getTime();
  return delayMs >= 0 && delayMs <= MAX_DELAY_SECONDS * 1_000;
}

function sampleOf(draft: DraftResponse, reply: SentReply | null | undefined): ImportedSample | undefined {
  const first = reply?.messages.find(({ text }) => promptTextOf(text) !== "");
  if (!reply || first === undefined || reply.text === null) return undefined;
  if (!isInPlaceOf(draft, reply) || isUnsuitable(reply.text)) return undefined;
  const { id: responseId, prompt, response, messageId, sourceMessageIds } = draft;
  const text = response ?? "";
  return {
    messageId: first.id,
    input: prompt,
    output: reply.text,
    quality: replyWeight(text, reply.text),
    sourceMessageIds: [messageId, ...sourceMessageIds ?? [], ...reply.messages.map(({ id }) => id)],
    responseId,
    rejectedOutput: isSmallChange(text, reply.text) ? null : text,
  };
}

/** Makes the samples that are missing, if the account's owner wants them. Returns how many. */
export async function collectSentSamples(
  { samples, responses, accountSettings }: SentSamplesOptions,
  accountId: string,
): Promise<number> {
  const { learnFromSent } = await accountSettings.read(accountId);
  if (!learnFromSent) return 0;
  let made = 0;
  for await (const drafts of samples.unusedDrafts(accountId)) {
    const stale = await findStale(responses, accountId, drafts);
    const sent = await findSentReplies(responses, accountId, drafts.filter(({ id }) => !stale.has(id)));
    const found = drafts.flatMap((draft) => sampleOf(draft, sent.get(draft.id)) ?? []);
    if (found.length > 0) made += await samples.import(accountId, found);
  }
  return made;
}

/** Finds drafts that answer what is no longer there: a message of their prompt was unsent, or says something else. */
import { parseTranscript } from "../../../contract/prompt.ts";
import type { ResponseStore, SourceMessage } from "../../store/drafts/response_store.ts";
import type { DraftResponse } from "../../store/schema.ts";
import { groupTextOf, isPromptFull, promptTextOf } from "./prompt_builder.ts";

/** What has happened to the messages of a draft since it was written. */
export type Staleness = "unsent" | "edited";

/** True when a prompt ends in these words, behind the name of their sender or not. */
function endsIn(prompt: string, text: string | null): boolean {
  const last = parseTranscript(prompt)?.turns.at(-1)?.text;
  const words = promptTextOf(text);
  return last === undefined || last === words || last.endsWith(`: ${words}`) ||
    last.endsWith(`: ${groupTextOf(text)}`);
}

/** Whether the words of a message stand in a prompt, as it is written of a direct chat or of a group. */
function isIn(prompt: string, { text }: SourceMessage): boolean {
  const forms = [promptTextOf(text).replaceAll("\n", "\n  "), groupTextOf(text)];
  return isPromptFull(prompt) || forms.some((words) => prompt.includes(words));
}

/** What makes a draft stale; null for one that still fits. The answered message counts whatever its clock says. */
export function stalenessOf(draft: DraftResponse, sources: readonly SourceMessage[]): Staleness | null {
  const { prompt, createdAt, messageId } = draft;
  if (sources.some(({ retractedAt }) => retractedAt !== null)) return "unsent";
  const isEdited = sources.some((source) => {
    if (source.id === messageId) return !endsIn(prompt, source.text);
    return source.editedAt !== null && source.editedAt > createdAt && !isIn(prompt, source);
  });
  return isEdited ? "edited" : null;
}

/** The stale ones among drafts of an account, by id. Drafts that are not finished are none. */
export async function findStale(
  responses: Pick<ResponseStore, "sources">,
  accountId: string,
  drafts: readonly DraftResponse[],
): Promise<ReadonlyMap<string, Staleness>> {
  const finished = drafts.filter(({ status }) => status === "completed");
  if (finished.length === 0) return new Map();
  const ids = new Set(finished.flatMap(sourceIdsOf));
  const messages = new Map((await responses.sources(accountId, [...ids])).map((row) => [row.id, row]));
  const found = finished.map((draft) => {
    const sources = sourceIdsOf(draft).flatMap((id) => messages.get(id) ?? []);
    return [draft.id, stalenessOf(draft, sources)] as const;
  });
  return new Map(found.flatMap(([id, staleness]) => staleness === null ? [] : [[id, staleness]]));
}

function sourceIdsOf({ messageId, sourceMessageIds }: DraftResponse): string[] {
  return [...new Set([messageId, ...sourceMessageIds ?? []])];
}

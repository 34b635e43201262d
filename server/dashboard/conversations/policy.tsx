/** What is done with a conversation: when drafts are made in it, and whether anything is learned from it. */
import { useState } from "preact/hooks";
import {
  type ChangeConversationRequest,
  changeConversationResponseSchema,
  type Conversation,
  type Deletion,
  DRAFTING_MODES,
  type DraftingMode,
} from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { policy: TEXT } = STRINGS;

/** Changes what is done with a conversation, or says what would go with that. @throws RequestError */
export function changeConversation(id: string, body: Partial<ChangeConversationRequest>) {
  return request(`PATCH ${pathOf(SERVER_PATHS.conversation, { id })}`, {
    schema: changeConversationResponseSchema,
    body,
  });
}

/** The choices for a conversation; `onChange` gets it as it is then. */
export function Policy(
  { conversation, onChange }: { conversation: Conversation; onChange: (conversation: Conversation) => void },
) {
  const { id, drafting, neverTrain = false } = conversation;
  const [preview, setPreview] = useState<Deletion | null>(null);
  const { error, isBusy, run } = useSteps();
  const change = (body: Partial<ChangeConversationRequest>) =>
    run(async () => {
      onChange((await changeConversation(id, body)).conversation);
      setPreview(null);
    });
  const train = () => change({ neverTrain: false });
  const askNeverToTrain = () =>
    run(async () => {
      const { deletion } = await changeConversation(id, { neverTrain: true, dryRun: true });
      setPreview(deletion);
    });
  return (
    <div class="policy buttons">
      <label class="check">
        {TEXT.drafts}
        <select
          disabled={isBusy}
          value={drafting}
          onChange={(event) => change({ drafting: event.currentTarget.value as DraftingMode })}
        >
          {DRAFTING_MODES.map((mode) => <option key={mode} value={mode}>{TEXT.modes[mode]}</option>)}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          disabled={isBusy}
          checked={neverTrain || preview !== null}
          onChange={neverTrain ? train : askNeverToTrain}
        />
        {TEXT.neverTrain}
      </label>
      {preview !== null && (
        <>
          <p role="status">{STRINGS.deleting.goes(preview)}</p>
          <button autoFocus type="button" class="danger" onClick={() => change({ neverTrain: true })}>
            {TEXT.confirm}
          </button>
          <button type="button" onClick={() => setPreview(null)}>{TEXT.cancel}</button>
        </>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </div>
  );
}

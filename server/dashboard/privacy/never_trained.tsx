/** The conversations that nothing is learned from. */
import { useState } from "preact/hooks";
import type { Conversation } from "../../../contract/conversations.ts";
import { conversationAddress } from "../address.ts";
import { listConversations } from "../conversations/conversations.tsx";
import { useSteps } from "../client/loading.ts";
import { titleOf } from "../names.ts";
import { changeConversation } from "../conversations/policy.tsx";
import { ListEnd, Part } from "../scrolling.tsx";
import { STRINGS } from "../strings.ts";

const { privacy: TEXT } = STRINGS;

function Item({ conversation }: { conversation: Conversation }) {
  const [isTrained, setTrained] = useState(false);
  const { error, isBusy, run } = useSteps();
  const { id } = conversation;
  const train = () =>
    run(async () => {
      await changeConversation(id, { neverTrain: false });
      setTrained(true);
    });
  return (
    <li class="card">
      <h3>
        <a href={conversationAddress(id)}>
          <bdi>{titleOf(conversation)}</bdi>
        </a>
      </h3>
      {isTrained ? <p role="status">{TEXT.isTrained}</p> : (
        <div class="buttons">
          <button type="button" disabled={isBusy} onClick={train}>{TEXT.train}</button>
        </div>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </li>
  );
}

/** The list, and the way back for each. */
export function NeverTrained() {
  const [list] = useState(() => listConversations("&neverTrain=true"));
  const state = list.state.value;
  const isEmpty = state.isComplete && state.pages.flat().length === 0;
  return (
    <section aria-label={TEXT.neverTrained}>
      <h2>{TEXT.neverTrained}</h2>
      <p class="quiet">{isEmpty ? TEXT.noneNeverTrained : TEXT.neverTrainedHint}</p>
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => <ul class="cards">{page.map((one) => <Item key={one.id} conversation={one} />)}</ul>}
        </Part>
      ))}
      {!isEmpty && <ListEnd state={state} more={() => void list.more()} />}
    </section>
  );
}

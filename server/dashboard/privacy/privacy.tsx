/** The page of privacy: what leaves the machine, and conversations to delete with all that was made of them. */
import { useEffect, useState } from "preact/hooks";
import { type Conversation, type Deletion } from "../../../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { listConversations } from "../conversations/conversations.tsx";
import { Deleting } from "../deleting.tsx";
import { loadNames, titleOf } from "../names.ts";
import { ListEnd, Part } from "../scrolling.tsx";
import { STRINGS } from "../strings.ts";
import { Account } from "./account.tsx";
import { NeverTrained } from "./never_trained.tsx";
import { DeletePerson, Person } from "./person.tsx";

const { privacy: TEXT } = STRINGS;

function Item({ conversation }: { conversation: Conversation }) {
  const [gone, setGone] = useState<Deletion | null>(null);
  const { id, messageCount, isGroup, participantIds: [address] } = conversation;
  return (
    <li class="card">
      <h2>
        <bdi>{titleOf(conversation)}</bdi>
      </h2>
      {gone === null
        ? <p class="quiet">{STRINGS.conversations.messages(messageCount)}</p>
        : <p role="status">{TEXT.gone(gone)}</p>}
      {gone === null && (
        <Deleting
          path={pathOf(SERVER_PATHS.conversation, { id })}
          confirm={TEXT.confirm}
          onGone={setGone}
        />
      )}
      {gone === null && !isGroup && address !== undefined && (
        <DeletePerson address={address} onGone={setGone} />
      )}
    </li>
  );
}

/** What is stored of whom, and how it goes. */
export function Privacy() {
  const [list] = useState(listConversations);
  useEffect(() => {
    // Without names the handles are shown, which says enough.
    loadNames().catch(() => {});
  }, []);
  const state = list.state.value;
  return (
    <main id="content" class="sheet scroll" tabIndex={-1}>
      <h1>{TEXT.title}</h1>
      <section class="card" aria-label={TEXT.leaves}>
        <h2>{TEXT.leaves}</h2>
        <p>{TEXT.nothing}</p>
        <p>
          <a href={SERVER_PATHS.exportTrainingSamples} download>{TEXT.exportSamples}</a>
        </p>
      </section>
      <Account />
      <NeverTrained />
      <Person />
      <h2>{TEXT.conversations}</h2>
      <p class="quiet">{TEXT.conversationsHint} {TEXT.findMessage}</p>
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => <ul class="cards">{page.map((one) => <Item key={one.id} conversation={one} />)}</ul>}
        </Part>
      ))}
      <ListEnd state={state} more={() => void list.more()} />
    </main>
  );
}

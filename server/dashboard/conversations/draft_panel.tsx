/** The panel below a conversation: has a reply drafted, and takes what the person does with it. */
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { CANDIDATES, Drafting } from "./drafting.ts";
import { useEvents } from "../client/events.ts";
import { isKey } from "./keys.ts";
import { ShownDraft } from "./shown_draft.tsx";
import { STRINGS } from "../strings.ts";

const { draft: TEXT } = STRINGS;
const DONE = { accept: TEXT.accepted, edit: TEXT.edited, reject: TEXT.rejected } as const;

function Step({ drafting }: { drafting: Drafting }) {
  const state = drafting.state.value;
  switch (state.step) {
    case "idle":
      return (
        <div class="buttons">
          <button
            type="button"
            class="primary"
            title={TEXT.beginHint}
            onClick={() => void drafting.write()}
          >
            {TEXT.begin}
          </button>
          <button
            type="button"
            title={TEXT.severalHint}
            onClick={() => void drafting.write(CANDIDATES)}
          >
            {TEXT.several(CANDIDATES)}
          </button>
        </div>
      );
    case "writing":
      return (
        <>
          {state.text.trim() !== "" && <p class="growing" dir="auto">{state.text}</p>}
          <div class="buttons">
            <p role="status">{TEXT.writing}</p>
            <button type="button" onClick={() => drafting.cancel()}>{TEXT.cancel}</button>
          </div>
        </>
      );
    case "shown":
      return <ShownDraft key={state.draft.responseId} draft={state.draft} drafting={drafting} />;
    case "done":
      return (
        <div class="buttons">
          <p role="status">{DONE[state.action]}</p>
          <button type="button" onClick={() => void drafting.write()}>{TEXT.again}</button>
        </div>
      );
  }
}

function Reply({ drafting, panel }: { drafting: Drafting; panel: RefObject<HTMLElement | null> }) {
  useEvents(["response:completed", "response:acted"], (event) => {
    if (event === null || event.data.messageId === drafting.messageId) void drafting.hear(event);
  });
  useEffect(() => {
    void drafting.resume();
    const draftByKey = (event: KeyboardEvent) => {
      const isSeveral = isKey(event, "c");
      if (event.defaultPrevented || !(isSeveral || isKey(event, "d"))) return;
      event.preventDefault();
      // What is written then, or was before, takes the focus on from the panel.
      panel.current?.focus();
      if (drafting.state.value.step === "idle") void drafting.write(isSeveral ? CANDIDATES : 1);
    };
    addEventListener("keydown", draftByKey);
    return () => {
      removeEventListener("keydown", draftByKey);
      drafting[Symbol.dispose]();
    };
  }, []);
  return (
    <>
      <Step drafting={drafting} />
      {drafting.error.value !== null && <p role="alert">{drafting.error.value}</p>}
    </>
  );
}

/** The panel of one conversation; `messageId` is the message to answer, null where nothing waits. */
export function DraftPanel(
  { conversationId, messageId }: { conversationId: string; messageId: string | null },
) {
  const panel = useRef<HTMLElement>(null);
  const create = () => messageId === null ? null : new Drafting(conversationId, messageId);
  const [drafting, setDrafting] = useState(create);
  const isOutdated = (drafting?.messageId ?? null) !== messageId;
  // What the person works on stays, whatever comes in meanwhile.
  const isInHand = drafting !== null && ["writing", "shown"].includes(drafting.state.value.step);
  useEffect(() => {
    if (isOutdated && !isInHand) setDrafting(create);
  }, [messageId, isInHand]);
  // Its keys are those of the draft, where there is one.
  const enter = ({ target, currentTarget }: FocusEvent) => {
    if (target === currentTarget) panel.current?.querySelector<HTMLElement>(".shown")?.focus();
  };
  return (
    <section ref={panel} class="draft" tabIndex={-1} aria-label={TEXT.title} onFocus={enter}>
      {isOutdated && isInHand && (
        <div class="buttons">
          <p role="status">{TEXT.outdated}</p>
          <button type="button" onClick={() => setDrafting(create)}>{TEXT.leave}</button>
        </div>
      )}
      {drafting === null
        ? <p class="quiet">{TEXT.nothing}</p>
        : <Reply key={drafting.messageId} drafting={drafting} panel={panel} />}
    </section>
  );
}

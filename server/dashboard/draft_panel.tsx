/** The panel below a conversation: has a reply drafted, and takes what the person does with it. */
import { useEffect, useState } from "preact/hooks";
import type { GeneratedResponse } from "../../contract/responses.ts";
import { Drafting } from "./drafting.ts";
import { useEvents } from "./events.ts";
import { STRINGS } from "./strings.ts";

const { draft: TEXT } = STRINGS;
const DONE = { accept: TEXT.accepted, edit: TEXT.edited, reject: TEXT.rejected } as const;

/** What is known of how a draft was made. */
function originOf({ confidence, modelVersion, tokensUsed }: GeneratedResponse): string {
  return [
    confidence === null ? null : TEXT.confidence(Math.round(confidence * 100)),
    modelVersion,
    tokensUsed === null ? null : TEXT.tokens(tokensUsed),
  ].filter((part) => part !== null).join(" · ");
}

function Rejection({ onReject, onKeep }: { onReject: (reason: string) => void; onKeep: () => void }) {
  const [reason, setReason] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    onReject(reason.trim());
  };
  return (
    <form class="buttons" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onKeep()}>
      <input
        autoFocus
        dir="auto"
        maxLength={2_000}
        aria-label={TEXT.reason}
        placeholder={TEXT.reason}
        value={reason}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <button type="submit" class="primary">{TEXT.confirmReject}</button>
      <button type="button" onClick={onKeep}>{TEXT.keep}</button>
    </form>
  );
}

function ShownDraft({ draft, drafting }: { draft: GeneratedResponse; drafting: Drafting }) {
  const { responseId, response } = draft;
  const [text, setText] = useState(response ?? "");
  const [isRejecting, setRejecting] = useState(false);
  const isEdited = text !== response;
  const accept = () =>
    void drafting.act(responseId, isEdited ? { action: "edit", editedResponse: text } : { action: "accept" });
  const reject = (reason: string) =>
    void drafting.act(responseId, { action: "reject", rejectionReason: reason === "" ? undefined : reason });
  const acceptByKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && text !== "") accept();
  };
  return (
    <>
      <textarea
        autoFocus
        dir="auto"
        rows={3}
        aria-label={TEXT.text}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={acceptByKey}
      />
      <p class="quiet meta">{originOf(draft)}</p>
      {isRejecting
        ? <Rejection onReject={reject} onKeep={() => setRejecting(false)} />
        : (
          <div class="buttons">
            <button type="button" class="primary" title={TEXT.keys} disabled={text === ""} onClick={accept}>
              {isEdited ? TEXT.saveEdit : TEXT.accept}
            </button>
            <button type="button" onClick={() => setRejecting(true)}>{TEXT.reject}</button>
            <button type="button" class="plain" onClick={() => void drafting.write()}>{TEXT.again}</button>
          </div>
        )}
    </>
  );
}

function Step({ drafting }: { drafting: Drafting }) {
  const state = drafting.state.value;
  switch (state.step) {
    case "idle":
      return (
        <button
          type="button"
          class="primary"
          title={TEXT.beginHint}
          onClick={() => void drafting.write()}
        >
          {TEXT.begin}
        </button>
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

/** Whether a key press belongs to a field that the person writes in. */
function isWriting({ target }: KeyboardEvent): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
}

function Reply({ drafting }: { drafting: Drafting }) {
  useEvents(["response:completed", "response:acted"], (event) => {
    if (event === null || event.data.messageId === drafting.messageId) void drafting.hear(event);
  });
  useEffect(() => {
    void drafting.resume();
    const draftByKey = (event: KeyboardEvent) => {
      if (event.key !== "d" || event.ctrlKey || event.metaKey || event.altKey || isWriting(event)) return;
      if (drafting.state.value.step !== "idle") return;
      event.preventDefault();
      void drafting.write();
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
  const create = () => messageId === null ? null : new Drafting(conversationId, messageId);
  const [drafting, setDrafting] = useState(create);
  const isOutdated = (drafting?.messageId ?? null) !== messageId;
  // What the person works on stays, whatever comes in meanwhile.
  const isInHand = drafting !== null && ["writing", "shown"].includes(drafting.state.value.step);
  useEffect(() => {
    if (isOutdated && !isInHand) setDrafting(create);
  }, [messageId, isInHand]);
  return (
    <section class="draft" aria-label={TEXT.title}>
      {isOutdated && isInHand && (
        <div class="buttons">
          <p role="status">{TEXT.outdated}</p>
          <button type="button" onClick={() => setDrafting(create)}>{TEXT.leave}</button>
        </div>
      )}
      {drafting === null
        ? <p class="quiet">{TEXT.nothing}</p>
        : <Reply key={drafting.messageId} drafting={drafting} />}
    </section>
  );
}

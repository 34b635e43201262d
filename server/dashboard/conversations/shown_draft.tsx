/** A draft that waits for the person: its text with what it may have made up, how it came to be, and what to do with it. */
import { useEffect, useRef, useState } from "preact/hooks";
import { TEXTING_ADAPTER_ID } from "../../../contract/generation.ts";
import type { DraftCandidate, GeneratedResponse } from "../../../contract/responses.ts";
import { CANDIDATES, type Drafting } from "./drafting.ts";
import { isKey } from "./keys.ts";
import { STRINGS } from "../strings.ts";
import { secondsOf } from "../times.ts";

const { draft: TEXT } = STRINGS;

/** A text in parts, of which some are among `marks`, the longest first where two begin at one place. */
function partsOf(text: string, marks: readonly string[]): { part: string; isMarked: boolean }[] {
  const parts = [];
  let rest = text;
  while (rest !== "") {
    const found = marks.filter((mark) => mark !== "" && rest.includes(mark))
      .map((mark) => ({ mark, at: rest.indexOf(mark) }))
      .sort((a, b) => a.at - b.at || b.mark.length - a.mark.length)[0];
    const end = found?.at ?? rest.length;
    if (end > 0) parts.push({ part: rest.slice(0, end), isMarked: false });
    if (found !== undefined) parts.push({ part: found.mark, isMarked: true });
    rest = rest.slice(end + (found?.mark.length ?? 0));
  }
  return parts;
}

/** A box to edit a text in, behind which the same text stands with its marks: a text box itself marks nothing. */
function MarkedText(
  { text, marks, onText }: { text: string; marks: readonly string[]; onText: (text: string) => void },
) {
  return (
    <div class="marked">
      <div dir="auto" aria-hidden="true">
        {partsOf(text, marks).map(({ part, isMarked }, index) =>
          isMarked ? <mark key={index}>{part}</mark> : part
        )}
        {"\n"}
      </div>
      <textarea
        dir="auto"
        rows={2}
        aria-label={TEXT.text}
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
      />
    </div>
  );
}

/** The sentence that names who wrote a draft: an adapter, or the base model without one. */
function writerOf(adapterId: string | undefined): (modelVersion: string) => string {
  if (adapterId === undefined) return TEXT.byBase;
  return adapterId === TEXTING_ADAPTER_ID ? TEXT.byTexting : TEXT.byAdapter;
}

/** How a draft came to be, line by line. */
function reasonsOf(draft: GeneratedResponse): string[] {
  const { adapter, modelVersion, exampleCount, rawConfidence, tokensUsed, timings } = draft;
  const lines = [writerOf(adapter?.id)(modelVersion ?? "")];
  if (typeof exampleCount === "number") lines.push(TEXT.examples(exampleCount));
  if (typeof rawConfidence === "number") lines.push(TEXT.sureness(Math.round(rawConfidence * 100)));
  if (tokensUsed !== null) lines.push(TEXT.tokens(tokensUsed));
  if (!timings) return lines;
  const { queue_ms, prompt_ms, prompt_tokens, cached_tokens, generate_ms, tokens_per_second } = timings;
  return [
    ...lines,
    TEXT.read(prompt_tokens, cached_tokens, secondsOf(prompt_ms)),
    TEXT.wrote(secondsOf(generate_ms), tokens_per_second),
    ...(queue_ms >= 100 ? [TEXT.waited(secondsOf(queue_ms))] : []),
  ];
}

function Why({ draft }: { draft: GeneratedResponse }) {
  const { confidence } = draft;
  const summary = confidence === null ? TEXT.why : TEXT.confidence(Math.round(confidence * 100));
  return (
    <details class="why quiet">
      <summary>{summary}</summary>
      {confidence !== null && <p>{TEXT.meaningOfConfidence}</p>}
      <ul>{reasonsOf(draft).map((line) => <li key={line}>{line}</li>)}</ul>
    </details>
  );
}

/** The candidates of a draft, each with the number that is its key. */
function Choice(
  { candidates, chosenId, onChoose }: {
    candidates: readonly DraftCandidate[];
    chosenId: number | undefined;
    onChoose: (id: number) => void;
  },
) {
  return (
    <fieldset class="choice">
      <legend class="quiet">{TEXT.choose(candidates.length)}</legend>
      {candidates.map(({ id, text }) => (
        <label key={id} class="check">
          <input type="radio" name="candidate" checked={id === chosenId} onChange={() => onChoose(id)} />
          <span class="quiet">{id}</span>
          <span dir="auto" class="text">{text}</span>
        </label>
      ))}
    </fieldset>
  );
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

/** Which candidate is chosen, and its text as the person has it; what was written into another one stays there. */
function useChoice(draft: GeneratedResponse) {
  const candidates = draft.candidates ?? [];
  const [chosenId, choose] = useState(candidates[0]?.id);
  const [texts, setTexts] = useState<Record<number, string>>({});
  const chosen = candidates.find(({ id }) => id === chosenId);
  const shown = chosen === undefined ? draft : { ...draft, ...chosen, response: chosen.text };
  const text = texts[chosenId ?? 0] ?? shown.response ?? "";
  const setText = (text: string) => setTexts((others) => ({ ...others, [chosenId ?? 0]: text }));
  return { candidates, chosenId, choose, shown, text, setText };
}

/** Calls what belongs to a key; Ctrl or ⌘ with Enter is `Enter`, and like Escape is heard in a text, too. */
function press(event: KeyboardEvent, steps: Readonly<Record<string, (() => void) | undefined>>): void {
  const isSent = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  const isHeard = isSent || event.key === "Escape" || (event.key !== "Enter" && isKey(event, event.key));
  const step = isHeard ? steps[event.key] : undefined;
  if (step === undefined) return;
  event.preventDefault();
  step();
}

/** The draft with its keys, which are heard while the focus is in it. */
export function ShownDraft({ draft, drafting }: { draft: GeneratedResponse; drafting: Drafting }) {
  const { responseId, reason } = draft;
  const box = useRef<HTMLDivElement>(null);
  const { candidates, chosenId, choose, shown, text, setText } = useChoice(draft);
  const [isRejecting, setRejecting] = useState(false);
  const isEdited = text !== shown.response;
  const marks = shown.unsupported ?? [];
  const focus = () => box.current?.focus();
  useEffect(() => {
    // What the person reads or writes elsewhere keeps the focus.
    const { activeElement } = document;
    if (activeElement === document.body || activeElement?.contains(box.current)) focus();
  }, []);
  const accept = () => {
    if (text === "") return;
    const done = isEdited ? { action: "edit", editedResponse: text } as const : { action: "accept" } as const;
    void drafting.act(responseId, { ...done, candidate: chosenId });
  };
  const reject = (reason: string) =>
    void drafting.act(responseId, { action: "reject", rejectionReason: reason === "" ? undefined : reason });
  const keep = () => {
    setRejecting(false);
    focus();
  };
  const steps = {
    Enter: isRejecting ? undefined : accept,
    Escape: focus,
    a: accept,
    e: () => box.current?.querySelector("textarea")?.focus(),
    r: () => setRejecting(true),
    d: () => void drafting.write(),
    c: () => void drafting.write(CANDIDATES),
    ...Object.fromEntries(candidates.map(({ id }) => [id, () => choose(id)])),
  };
  return (
    <div ref={box} class="shown" tabIndex={-1} onKeyDown={(event) => press(event, steps)}>
      {candidates.length > 1 && <Choice candidates={candidates} chosenId={chosenId} onChoose={choose} />}
      <MarkedText text={text} marks={marks} onText={setText} />
      {marks.length > 0 && <p>{TEXT.unsupported} {marks.map((mark) => `“${mark}”`).join(", ")}</p>}
      {reason && <p>{TEXT.notSuggested[reason]}</p>}
      <Why draft={shown} />
      {isRejecting ? <Rejection onReject={reject} onKeep={keep} /> : (
        <div class="buttons">
          <button type="button" class="primary" disabled={text === ""} onClick={accept}>
            {isEdited ? TEXT.saveEdit : TEXT.accept}
          </button>
          <button type="button" onClick={() => setRejecting(true)}>{TEXT.reject}</button>
          <button type="button" class="plain" onClick={() => void drafting.write()}>{TEXT.again}</button>
          <button type="button" class="plain" onClick={() => void drafting.write(CANDIDATES)}>
            {TEXT.several(CANDIDATES)}
          </button>
        </div>
      )}
      <p class="quiet meta keys">
        {TEXT.keys(CANDIDATES)} {candidates.length > 1 && TEXT.numberKeys(candidates.length)}
      </p>
    </div>
  );
}

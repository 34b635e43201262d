/** A draft that waits for the person: its text with what it may have made up, how it came to be, and what to do with it. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { GeneratedResponse } from "../../contract/responses.ts";
import type { Drafting } from "./drafting.ts";
import { isKey } from "./keys.ts";
import { STRINGS } from "./strings.ts";
import { secondsOf } from "./times.ts";

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

/** How a draft came to be, line by line. */
function reasonsOf(draft: GeneratedResponse): string[] {
  const { adapter, modelVersion, exampleCount, rawConfidence, tokensUsed, timings } = draft;
  const writer = adapter ? TEXT.byAdapter(modelVersion ?? "") : TEXT.byBase(modelVersion ?? "");
  const lines = [writer];
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

/** The draft with its keys, which are heard while the focus is in it. */
export function ShownDraft({ draft, drafting }: { draft: GeneratedResponse; drafting: Drafting }) {
  const { responseId, response, unsupported, reason } = draft;
  const box = useRef<HTMLDivElement>(null);
  const [text, setText] = useState(response ?? "");
  const [isRejecting, setRejecting] = useState(false);
  const isEdited = text !== response;
  const marks = unsupported ?? [];
  const focus = () => box.current?.focus();
  useEffect(() => {
    // What the person reads or writes elsewhere keeps the focus.
    const { activeElement } = document;
    if (activeElement === document.body || activeElement?.contains(box.current)) focus();
  }, []);
  const accept = () => {
    if (text === "") return;
    void drafting.act(responseId, isEdited ? { action: "edit", editedResponse: text } : { action: "accept" });
  };
  const reject = (reason: string) =>
    void drafting.act(responseId, { action: "reject", rejectionReason: reason === "" ? undefined : reason });
  const keep = () => {
    setRejecting(false);
    focus();
  };
  const KEYS: Record<string, () => void> = {
    a: accept,
    e: () => box.current?.querySelector("textarea")?.focus(),
    r: () => setRejecting(true),
    d: () => void drafting.write(),
  };
  const press = (event: KeyboardEvent) => {
    const isSent = event.key === "Enter" && (event.ctrlKey || event.metaKey) && !isRejecting;
    const step = isSent ? accept : event.key === "Escape" ? focus : KEYS[event.key];
    if (step === undefined || (!isSent && event.key !== "Escape" && !isKey(event, event.key))) return;
    event.preventDefault();
    step();
  };
  return (
    <div ref={box} class="shown" tabIndex={-1} onKeyDown={press}>
      <MarkedText text={text} marks={marks} onText={setText} />
      {marks.length > 0 && <p>{TEXT.unsupported} {marks.map((mark) => `“${mark}”`).join(", ")}</p>}
      {reason && <p>{TEXT.notSuggested[reason]}</p>}
      <Why draft={draft} />
      {isRejecting ? <Rejection onReject={reject} onKeep={keep} /> : (
        <div class="buttons">
          <button type="button" class="primary" disabled={text === ""} onClick={accept}>
            {isEdited ? TEXT.saveEdit : TEXT.accept}
          </button>
          <button type="button" onClick={() => setRejecting(true)}>{TEXT.reject}</button>
          <button type="button" class="plain" onClick={() => void drafting.write()}>{TEXT.again}</button>
        </div>
      )}
      <p class="quiet meta keys">{TEXT.keys}</p>
    </div>
  );
}

/** Drafts of the same held-out messages, with an adapter and without it, beside what the person sent. */
import { useState } from "preact/hooks";
import {
  type ComparedDrafts,
  comparedDraftsSchema,
  DRAFT_WRITERS,
  heldOutRepliesSchema,
} from "../../../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { messageAnswered, transcriptOf } from "../../../contract/prompt.ts";
import type { TrainingSample } from "../../../contract/training.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { training: TEXT } = STRINGS;

function Row({ name, text }: { name: string; text: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td dir="auto" class="text">{text}</td>
    </tr>
  );
}

/** One message with its reply, and each draft of it that was made. */
function Compared(
  { sample, drafts }: { sample: TrainingSample; drafts: ComparedDrafts["drafts"] | undefined },
) {
  return (
    <table class="compared">
      <tbody>
        <Row name={TEXT.asked} text={messageAnswered(transcriptOf(sample.input))} />
        <Row name={TEXT.sent} text={sample.output} />
        {drafts !== undefined &&
          DRAFT_WRITERS.map((writer) => (
            <Row
              key={writer}
              name={TEXT.writers[writer]}
              text={drafts.find(({ by }) => by === writer)?.text ?? "–"}
            />
          ))}
      </tbody>
    </table>
  );
}

/** The messages of an adapter one by one, each drafted on request; read once it is opened. */
export function Comparison({ adapterId }: { adapterId: string }) {
  const [samples, setSamples] = useState<readonly TrainingSample[] | null>(null);
  const [place, setPlace] = useState(0);
  const [drafts, setDrafts] = useState<Readonly<Record<string, ComparedDrafts["drafts"]>>>({});
  const { error, isBusy, run } = useSteps();
  const open = () =>
    run(async () => {
      const path = pathOf(SERVER_PATHS.heldOutReplies, { adapterId });
      setSamples((await request(`GET ${path}`, { schema: heldOutRepliesSchema })).samples);
    });
  const sample = samples?.[place];
  const compare = (sampleId: string) =>
    run(async () => {
      const path = pathOf(SERVER_PATHS.compareDrafts, { adapterId });
      const made = await request(`POST ${path}`, { schema: comparedDraftsSchema, body: { sampleId } });
      setDrafts((known) => ({ ...known, [sampleId]: made.drafts }));
    });
  return (
    <details onToggle={(event) => event.currentTarget.open && samples === null && open()}>
      <summary>{TEXT.compare}</summary>
      <p class="quiet">{TEXT.compareHint}</p>
      {samples?.length === 0 && <p class="quiet">{TEXT.noHeldOut}</p>}
      {sample !== undefined && samples !== null && (
        <>
          <p class="quiet" role="status">{TEXT.place(place + 1, samples.length)}</p>
          <Compared sample={sample} drafts={drafts[sample.id]} />
          <div class="buttons">
            <button type="button" class="primary" disabled={isBusy} onClick={() => compare(sample.id)}>
              {isBusy ? TEXT.drafting : drafts[sample.id] === undefined ? TEXT.draftEach : TEXT.draftAgain}
            </button>
            <button type="button" disabled={isBusy || place === 0} onClick={() => setPlace(place - 1)}>
              {TEXT.previous}
            </button>
            <button
              type="button"
              disabled={isBusy || place + 1 === samples.length}
              onClick={() => setPlace(place + 1)}
            >
              {TEXT.next}
            </button>
          </div>
        </>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </details>
  );
}

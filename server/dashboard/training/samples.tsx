/** The training samples: what the model learns from, by source, each to leave out or delete. */
import { useMemo, useState } from "preact/hooks";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { messageAnswered, transcriptOf } from "../../../contract/prompt.ts";
import { SAMPLE_SOURCES, type TrainingSample } from "../../../contract/training.ts";
import { Deleting } from "../deleting.tsx";
import { PagedList } from "../client/pages.ts";
import { ListEnd, Part } from "../scrolling.tsx";
import { STRINGS } from "../strings.ts";
import { dayOf } from "../times.ts";
import { excludedIds, readSamples, setExcluded } from "./excluded.ts";

const { training: TEXT } = STRINGS;
const PAGE_SIZE = 50;
type Source = TrainingSample["source"] | "all";

function listSamples(source: Source): PagedList<TrainingSample> {
  const filter = { pageSize: PAGE_SIZE, source: source === "all" ? undefined : source };
  return new PagedList(async (cursor) => {
    const list = await readSamples(cursor, filter);
    return { items: list.samples, nextCursor: list.nextCursor ?? null };
  });
}

function SampleItem({ sample, onDelete }: { sample: TrainingSample; onDelete: () => void }) {
  const { id, input, output, rejectedOutput, source, createdAt } = sample;
  return (
    <li class="card sample">
      <details>
        <summary dir="auto" class="quiet">{messageAnswered(transcriptOf(input))}</summary>
        <pre dir="auto">{input}</pre>
      </details>
      {output !== "" && <p dir="auto" class="text">{output}</p>}
      {rejectedOutput !== null && (
        <p class="quiet text">
          {TEXT.notLike} <bdi>{rejectedOutput}</bdi>
        </p>
      )}
      <div class="buttons">
        <span class="badge">{TEXT.sources[source]}</span>
        <time dateTime={createdAt}>{dayOf(createdAt)}</time>
        <label class="check">
          <input
            type="checkbox"
            checked={excludedIds.value.has(id)}
            onChange={(event) => setExcluded(id, event.currentTarget.checked)}
          />
          {TEXT.exclude}
        </label>
        <Deleting
          path={pathOf(SERVER_PATHS.trainingSample, { id })}
          confirm={TEXT.confirmDelete}
          onGone={onDelete}
        />
      </div>
    </li>
  );
}

/** All samples, newest first; `onDelete` is called when one went, as adapters may be tainted by it. */
export function Samples({ onDelete }: { onDelete: () => void }) {
  const [source, setSource] = useState<Source>("all");
  const list = useMemo(() => listSamples(source), [source]);
  const [deleted, setDeleted] = useState<ReadonlySet<string>>(new Set());
  const state = list.state.value;
  const shown = (page: readonly TrainingSample[]) => page.filter(({ id }) => !deleted.has(id));
  const remove = (id: string) => {
    setDeleted(new Set(deleted).add(id));
    onDelete();
  };
  const isEmpty = state.isComplete && state.pages.every((page) => shown(page).length === 0);
  return (
    <section aria-label={TEXT.samples}>
      <h2>{TEXT.samples}</h2>
      <label>
        {TEXT.filter}{" "}
        <select value={source} onChange={(event) => setSource(event.currentTarget.value as Source)}>
          {(["all", ...SAMPLE_SOURCES] as const).map((one) => (
            <option key={one} value={one}>{TEXT.sources[one]}</option>
          ))}
        </select>
      </label>
      {isEmpty && <p class="quiet">{TEXT.noSamples}</p>}
      {state.pages.map((page, index) => (
        <Part key={index}>
          {() => (
            <ul class="samples">
              {shown(page).map((sample) => (
                <SampleItem
                  key={sample.id}
                  sample={sample}
                  onDelete={() => remove(sample.id)}
                />
              ))}
            </ul>
          )}
        </Part>
      ))}
      <ListEnd state={state} more={() => void list.more()} />
    </section>
  );
}

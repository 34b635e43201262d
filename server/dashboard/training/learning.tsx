/** Learning from replies that were sent: what an import would make, how long it takes, and the button that does both. */
import { useState } from "preact/hooks";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type ImportSamplesResponse,
  importSamplesResponseSchema,
  MAX_IMPORTED_SAMPLES,
  type TrainingJob,
  trainingJobResponseSchema,
} from "../../../contract/training.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { durationOf } from "../times.ts";
import { chosenSampleIds, readSamples } from "./excluded.ts";
import { LearnFromSent, type SettingsControl } from "./settings.tsx";

const { training: TEXT } = STRINGS;
const DEFAULTS = { replies: 500, epochs: 3, learningRate: 0.001 };

/** What an import made or would make, and how many examples there were before. */
interface Shown {
  readonly preview: ImportSamplesResponse;
  readonly known: number;
}

function importReplies(limit: number, dryRun: boolean): Promise<ImportSamplesResponse> {
  return request(`POST ${SERVER_PATHS.importTrainingSamples}`, {
    schema: importSamplesResponseSchema,
    body: { limit, dryRun },
  });
}

/** What the newest job that was completed took: for each example, and of memory; null where none was. */
function lastCosts(
  jobs: readonly TrainingJob[],
): { msPerExample: number; memoryBytes: number | null } | null {
  const last = jobs.find(({ status, sampleCount }) => status === "completed" && sampleCount > 0);
  if (last === undefined || last.startedAt === null || last.finishedAt === null) return null;
  const { startedAt, finishedAt, sampleCount, epochs, metrics } = last;
  const msPerExample = (Date.parse(finishedAt) - Date.parse(startedAt)) / (sampleCount * epochs);
  return { msPerExample, memoryBytes: metrics?.memoryBytes ?? null };
}

/** The sentences about time and memory of a training on so many examples. */
function estimatesOf(jobs: readonly TrainingJob[], passes: number): string {
  const costs = lastCosts(jobs);
  if (costs === null) return TEXT.noEstimate;
  const { msPerExample, memoryBytes } = costs;
  const time = TEXT.estimate(durationOf(msPerExample * passes));
  return memoryBytes === null ? time : `${time} ${TEXT.memory(memoryBytes)}`;
}

function Preview(
  { shown: { preview, known }, jobs, epochs }: { shown: Shown; jobs: readonly TrainingJob[]; epochs: number },
) {
  const { imported, examined, skipped } = preview;
  const reasons = Object.entries(skipped).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${count} ${TEXT.skipped[reason as keyof typeof skipped]}`);
  return (
    <div role="status">
      <p>{TEXT.preview(imported, examined)}</p>
      {reasons.length > 0 && <p class="quiet">{TEXT.leftOut} {reasons.join(", ")}.</p>}
      <p class="quiet">{estimatesOf(jobs, (known + imported) * epochs)}</p>
    </div>
  );
}

interface Field {
  label: string;
  value: number;
  min: number;
  max: number;
  step?: number | "any";
  onValue: (value: number) => void;
}

function NumberField({ label, value, onValue, ...limits }: Field) {
  return (
    <label>
      {label}
      <input
        type="number"
        required
        {...limits}
        value={Number.isNaN(value) ? "" : value}
        onInput={(event) => onValue(event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}

type Settings = typeof DEFAULTS;

function Settings(
  { epochs, learningRate, set }: Pick<Settings, "epochs" | "learningRate"> & {
    set: (name: keyof Settings) => (value: number) => void;
  },
) {
  return (
    <details>
      <summary>{TEXT.settings}</summary>
      <div class="fields">
        <NumberField label={TEXT.epochs} value={epochs} min={1} max={100} onValue={set("epochs")} />
        <NumberField
          label={TEXT.learningRate}
          value={learningRate}
          min={1e-8}
          max={1}
          step="any"
          onValue={set("learningRate")}
        />
      </div>
    </details>
  );
}

/** The form; `onStart` gets the job that was started. */
export function Learning(
  { baseModel, jobs, isBusy: isTraining, settings: account, onImport, onStart }: {
    baseModel: string | null;
    jobs: readonly TrainingJob[];
    isBusy: boolean;
    settings: SettingsControl;
    onImport: () => void;
    onStart: (job: TrainingJob) => void;
  },
) {
  const [settings, setSettings] = useState(DEFAULTS);
  const [shown, setShown] = useState<Shown | null>(null);
  const { error, isBusy, run } = useSteps();
  const { replies, epochs, learningRate } = settings;
  const set = (name: keyof Settings) => (value: number) => setSettings({ ...settings, [name]: value });
  const learn = (event: Event) => {
    event.preventDefault();
    run(async () => {
      setShown(null);
      await importReplies(replies, false);
      onImport();
      const body = { baseModel, epochs, learningRate, sampleIds: await chosenSampleIds() };
      const schema = trainingJobResponseSchema;
      onStart((await request(`POST ${SERVER_PATHS.startTraining}`, { schema, body })).job);
    });
  };
  const look = () =>
    run(async () => {
      const { total: known } = await readSamples(null, { pageSize: 1 });
      setShown({ preview: await importReplies(replies, true), known });
    });
  return (
    <form class="card" onSubmit={learn}>
      <h2>{TEXT.learn}</h2>
      <p class="quiet">{TEXT.learnHint}</p>
      <NumberField
        label={TEXT.replies}
        value={replies}
        min={1}
        max={MAX_IMPORTED_SAMPLES}
        onValue={set("replies")}
      />
      <LearnFromSent settings={account} />
      <Settings epochs={epochs} learningRate={learningRate} set={set} />
      {shown !== null && <Preview shown={shown} jobs={jobs} epochs={epochs} />}
      <div class="buttons">
        <button type="submit" class="primary" disabled={isBusy || isTraining || baseModel === null}>
          {TEXT.learnButton(replies)}
        </button>
        <button type="button" disabled={isBusy} onClick={look}>{TEXT.previewButton}</button>
      </div>
      {baseModel === null && <p class="quiet">{TEXT.noModelHint}</p>}
      {error !== null && <p role="alert">{error}</p>}
    </form>
  );
}

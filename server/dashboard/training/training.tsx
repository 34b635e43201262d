/** The page of training: what is learned from, the job under way, and the adapters that came of it. */
import { useEffect, useState } from "preact/hooks";
import type { TrainingJob } from "../../../contract/training.ts";
import { useEvents } from "../client/events.ts";
import { useLoaded } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { Adapters, readModels } from "./adapters.tsx";
import { Calibration } from "./calibration.tsx";
import { JobCard } from "./job_card.tsx";
import { isLive, JobWatch } from "./job_watch.ts";
import { Learning } from "./learning.tsx";
import { Samples } from "./samples.tsx";
import { useSettings } from "./settings.tsx";

const { training: TEXT } = STRINGS;

/** Samples, a job and adapters, in the order in which a person needs them. */
export function Training() {
  const models = useLoaded(readModels, ["models:changed"]);
  const settings = useSettings();
  const [samplesAt, setSamplesAt] = useState(0);
  const [watch] = useState(() =>
    new JobWatch(() => {
      void models.reload();
      void jobs.reload();
    })
  );
  const jobs = useLoaded<readonly TrainingJob[]>(() => watch.find());
  useEffect(() => () => watch[Symbol.dispose](), []);
  useEvents(["training:progress"], (event) => {
    if (event === null) void models.reload();
    // Of the job that is followed, its own stream says more.
    if (event?.data.jobId !== watch.job.value?.id) void jobs.reload();
  });
  const job = watch.job.value;
  const error = models.error ?? jobs.error ?? settings.error;
  return (
    <main id="content" class="sheet scroll" tabIndex={-1}>
      <h1>{TEXT.title}</h1>
      <p class="quiet">{TEXT.lead}</p>
      {error !== null && <p role="alert">{error}</p>}
      <Learning
        baseModel={models.value?.baseModel ?? null}
        jobs={jobs.value ?? []}
        isBusy={job !== null && isLive(job)}
        settings={settings}
        onImport={() => setSamplesAt((count) => count + 1)}
        onStart={(started) => watch.follow(started)}
      />
      <JobCard watch={watch} />
      {models.value !== null && <Adapters models={models.value} onChange={models.reload} />}
      {(["acceptance", "trigger"] as const).map((kind) => {
        const figures = models.value?.[kind];
        return figures && <Calibration key={kind} kind={kind} figures={figures} settings={settings} />;
      })}
      <Samples key={samplesAt} onDelete={() => void models.reload()} />
    </main>
  );
}

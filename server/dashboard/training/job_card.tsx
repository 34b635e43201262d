/** The newest training job: how far it is, its curve, what it left out, and how it is cancelled. */
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { type TrainingJob, trainingJobResponseSchema } from "../../../contract/training.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { durationOf } from "../times.ts";
import { isLive, type JobWatch } from "./job_watch.ts";
import { LossCurve } from "./loss_curve.tsx";

const { training: TEXT } = STRINGS;

/** What it is at: `Step 12 of 40 · about 3 min left`. */
function courseOf({ metrics }: TrainingJob): string {
  const { step = null, steps = null, etaMs = null } = metrics ?? {};
  return [
    step === null || steps === null ? TEXT.preparing : TEXT.step(step, steps),
    etaMs === null ? null : TEXT.left(durationOf(etaMs)),
  ].filter((part) => part !== null).join(" · ");
}

function LeftOut({ job }: { job: TrainingJob }) {
  const reasons = Object.entries(job.metrics?.excluded ?? {}).filter(([, count]) => count > 0);
  if (reasons.length === 0) return null;
  return (
    <p class="quiet">
      {TEXT.leftOut}{" "}
      {reasons.map(([reason, count]) => `${count} ${TEXT.excluded[reason] ?? reason}`).join(", ")}.
    </p>
  );
}

/** The job that `watch` follows. */
export function JobCard({ watch }: { watch: JobWatch }) {
  const { error, isBusy, run } = useSteps();
  const job = watch.job.value;
  if (job === null) return null;
  const cancel = () =>
    run(() =>
      request(`POST ${pathOf(SERVER_PATHS.cancelTrainingJob, { id: job.id })}`, {
        schema: trainingJobResponseSchema,
        body: {},
      })
    );
  const { status, progress, sampleCount } = job;
  return (
    <section class="card" aria-label={TEXT.job}>
      <h2>{TEXT.job}: {TEXT.statuses[status]}</h2>
      <p class="quiet">{TEXT.examples(sampleCount)}</p>
      {isLive(job) && (
        <>
          <progress max={100} value={progress} aria-label={TEXT.progress} />
          <p role="status">{courseOf(job)}</p>
        </>
      )}
      {watch.points.value.size > 0 && <LossCurve key={job.id} points={watch.points.value} />}
      <LeftOut job={job} />
      {job.error !== null && <p role="alert">{job.error}. {job.fix !== null && `${job.fix}.`}</p>}
      {isLive(job) && (
        <div class="buttons">
          <button type="button" disabled={isBusy} onClick={cancel}>{TEXT.cancel}</button>
        </div>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </section>
  );
}

/** Follows a training job: what it is at, and the course of its loss from the first step on. */
import { signal } from "@preact/signals";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type TrainingJob,
  trainingJobListSchema,
  trainingJobResponseSchema,
} from "../../../contract/training.ts";
import { request } from "../client/api.ts";

/** Losses by step: of the step itself, and of replies that are held out. */
export interface LossPoint {
  readonly loss: number | null;
  readonly heldOutLoss: number | null;
}

/** How long after a stream that broke for good the job is looked for again. */
const LOOK_AGAIN_MS = 5_000;

/** Whether a job is still to come or under way. */
export function isLive({ status }: TrainingJob): boolean {
  return status === "queued" || status === "training";
}

/** The account's newest job. Disposing it ends the stream. */
export class JobWatch implements Disposable {
  /** Null while there is none. */
  readonly job = signal<TrainingJob | null>(null);
  readonly points = signal<ReadonlyMap<number, LossPoint>>(new Map());
  #stream: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onEnd called whenever a job that was followed has ended */
  constructor(readonly onEnd: () => void) {}

  /** Finds the newest job, and follows it while it lives. @throws RequestError */
  async find(): Promise<readonly TrainingJob[]> {
    const { jobs } = await request(`GET ${SERVER_PATHS.trainingJobs}`, { schema: trainingJobListSchema });
    const [newest] = jobs;
    if (newest !== undefined && newest.id !== this.job.value?.id) this.follow(newest);
    return jobs;
  }

  /** Follows a job from its first step on; what it was at before is read by the stream itself. */
  follow(job: TrainingJob): void {
    this[Symbol.dispose]();
    this.points.value = new Map();
    this.job.value = job;
    const stream = new EventSource(pathOf(SERVER_PATHS.trainingJobEvents, { id: job.id }));
    stream.addEventListener("training:progress", ({ data }) => this.#take(data));
    stream.addEventListener("error", () => {
      // The server has shown all of it; else the browser connects again by itself, unless it was refused.
      if (this.#hasEnded()) stream.close();
      else if (stream.readyState === EventSource.CLOSED) this.#followLater(job);
    });
    this.#stream = stream;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#stream?.close();
  }

  #followLater(job: TrainingJob): void {
    this.#timer = setTimeout(() => this.follow(this.job.value ?? job), LOOK_AGAIN_MS);
  }

  #take(data: string): void {
    const { job } = trainingJobResponseSchema.parse(JSON.parse(data));
    const { step, loss = null, heldOutLoss = null } = job.metrics ?? {};
    if (typeof step === "number" && step > 0) {
      this.points.value = new Map(this.points.value).set(step, { loss, heldOutLoss });
    }
    // Of a job that has ended, what follows is its course.
    if (this.#hasEnded()) return;
    this.job.value = job;
    if (this.#hasEnded()) this.onEnd();
  }

  #hasEnded(): boolean {
    return this.job.value !== null && !isLive(this.job.value);
  }
}

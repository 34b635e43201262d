/** Starts a training job's process and follows its events and its end; a native crash ends only that process. */
import { pushStream } from "../../../lib/async.ts";
import { type Child, startChild } from "../../process/child_process.ts";
import type { TrainingEnd, TrainingEvent } from "../job/training_event.ts";

/** Training yields to serving: the lowest priority, for all threads of the process. */
const LOWEST_PRIORITY: readonly string[] = Deno.build.os === "windows" ? [] : ["nice", "-n", "19"];

/** What the process is sent. */
export interface CancelMessage {
  type: "cancel";
}

/** How long a cancelled process may take before it is killed: a step of a large model is slow. */
const CANCEL_GRACE_MS = 30_000;

export interface TrainingProcessOptions {
  /** How long a cancelled process may take to end. */
  cancelGraceMs?: number;
  /** The program that starts this one, with its arguments. Default: `nice`. */
  through?: readonly string[];
}

/** A running job. */
export interface TrainingProcess {
  readonly pid: number;
  /** For one reader; unread events are buffered. Ends with the process. */
  readonly events: AsyncIterable<TrainingEvent>;
  /** Resolves when the process has ended; never rejects. */
  readonly end: Promise<TrainingEnd>;
  /** Cancels the job within a step; `end` then resolves. */
  cancel(): void;
}

function endOf(event: TrainingEvent): TrainingEnd | undefined {
  if (event.type === "completed") return { status: "completed", result: event.result };
  if (event.type === "failed") {
    const { type: status, ...failure } = event;
    return { status, ...failure };
  }
  return event.type === "cancelled" ? { status: "cancelled" } : undefined;
}

/** Asks the process to end, and kills it if it does not. */
class Cancellation {
  readonly #child: Child<CancelMessage>;
  readonly #graceMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  killed = false;

  constructor(child: Child<CancelMessage>, graceMs: number) {
    this.#child = child;
    this.#graceMs = graceMs;
  }

  ask(): void {
    if (this.#isOver || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.killed = true;
      this.#child.kill();
    }, this.#graceMs);
    this.#child.send({ type: "cancel" });
  }

  /** Records that the process has ended. */
  over(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

/**
 * Starts the job of a folder, or resumes it from its last checkpoint. The process ends with this one.
 *
 * @param folder holds a request as `writeTrainingRequest` leaves it
 */
export function startTrainingProcess(folder: string, options: TrainingProcessOptions = {}): TrainingProcess {
  const events = pushStream<TrainingEvent>();
  let reportedEnd: TrainingEnd | undefined;
  const child = startChild<TrainingEvent, CancelMessage>({
    part: "training",
    argument: folder,
    through: options.through ?? LOWEST_PRIORITY,
    onMessage(event) {
      reportedEnd = endOf(event) ?? reportedEnd;
      events.push(event);
    },
  });
  const cancellation = new Cancellation(child, options.cancelGraceMs ?? CANCEL_GRACE_MS);
  const end = (async (): Promise<TrainingEnd> => {
    const how = await child.ended;
    cancellation.over();
    events.end();
    if (reportedEnd !== undefined) return reportedEnd;
    if (cancellation.killed) return { status: "cancelled" };
    return { status: "crashed", reason: `The training process ended ${how}` };
  })();
  return { pid: child.pid, events: events.stream, end, cancel: () => cancellation.ask() };
}

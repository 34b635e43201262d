/** Pauses of tasks whose dependency is down, so that a long queue does not try it once for every job. */
import { backoffMs, type BackoffOptions } from "../backoff.ts";

interface Pause {
  /** Pauses in a row. */
  count: number;
  until: number;
}

export class TaskPauses {
  readonly #backoff: BackoffOptions;
  readonly #pauses = new Map<string, Pause>();

  constructor(backoff: BackoffOptions) {
    this.#backoff = backoff;
  }

  /** Pauses a task and returns until when. Jobs that fail while it is paused already join that pause. */
  begin(task: string, failure: { now: number; afterMs: number }): number {
    const { now, afterMs } = failure;
    const { count, until } = this.#pauses.get(task) ?? { count: 0, until: now };
    const joins = until > now;
    const backoffEnd = joins ? until : now + backoffMs(count + 1, this.#backoff);
    const pause = { count: joins ? count : count + 1, until: Math.max(backoffEnd, now + afterMs) };
    this.#pauses.set(task, pause);
    return pause.until;
  }

  /** The dependency answered. */
  end(task: string): void {
    this.#pauses.delete(task);
  }

  /** The tasks that are paused at a time. */
  at(time: number): Set<string> {
    return new Set([...this.#pauses].filter(([, { until }]) => until > time).map(([task]) => task));
  }

  /** When the first pause ends that has not ended at a time; Infinity when there is none. */
  nextEndAfter(time: number): number {
    return Math.min(...[...this.#pauses.values()].map(({ until }) => until).filter((until) => until > time));
  }
}

/** Owns the demo's timings: how long each stage took, shown as it ends and summed up at the end. */
import { duration, line, paint } from "./print.ts";

/** Runs stages one after another and remembers how long each took. */
export class Stopwatch {
  readonly #stages: [name: string, tookMs: number][] = [];

  /** Runs one stage; prints its name and then how long it took. */
  async stage<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
    const startedAt = performance.now();
    const result = await work();
    this.record(name, performance.now() - startedAt);
    return result;
  }

  record(name: string, tookMs: number): void {
    this.#stages.push([name, tookMs]);
    line(`${paint("green", "✓")} ${name} ${paint("dim", duration(tookMs))}`);
  }

  get totalMs(): number {
    return this.#stages.reduce((sum, [, tookMs]) => sum + tookMs, 0);
  }
}

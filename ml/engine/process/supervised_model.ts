/** Keeps one model served by a process: starts it again after a crash, and gives its memory back when nobody asks. */
import { backoffMs } from "../../../lib/backoff.ts";
import { ApiError, messageOf } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { EngineDevice, ModelAbsence } from "../engine.ts";
import { EngineChild } from "./engine_child.ts";
import type { EngineSettings } from "./engine_protocol.ts";

/** Between starts in a row none of which has answered anything. */
const RESTART_BACKOFF = { baseMs: 1_000, capMs: 60_000 };

export interface SupervisionOptions {
  /** The process ends after so long without a request; null: never. */
  keepAliveMs: number | null;
  /** Called at each crash. */
  onCrash: () => void;
  log: Logger;
}

/** See the module. Made by {@linkcode SupervisedModel.open}; disposing waits for its users. */
export class SupervisedModel implements AsyncDisposable {
  readonly #settings: EngineSettings;
  readonly #options: SupervisionOptions;
  readonly #closing = new AbortController();
  #child: EngineChild | null = null;
  #starting: Promise<EngineChild> | null = null;
  #absence: ModelAbsence | null = null;
  /** Crashes and failed starts since the last answer. */
  #failures = 0;
  #restart: { timer: ReturnType<typeof setTimeout>; at: number } | null = null;
  #keepAlive: ReturnType<typeof setTimeout> | undefined;
  /** How long the last start took. */
  #startMs = 0;
  #device: EngineDevice | null = null;
  #users = 0;
  #unused = Promise.withResolvers<void>();

  private constructor(settings: EngineSettings, options: SupervisionOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#unused.resolve();
  }

  /**
   * Starts a process with the model.
   *
   * @throws Error with a sentence when it cannot be loaded; the signal's reason
   */
  static async open(
    settings: EngineSettings,
    { signal, ...options }: SupervisionOptions & { signal: AbortSignal },
  ): Promise<SupervisedModel> {
    const model = new SupervisedModel(settings, options);
    const close = () => model.#closing.abort(signal.reason);
    signal.addEventListener("abort", close, { once: true });
    try {
      await model.#start();
      return model;
    } finally {
      signal.removeEventListener("abort", close);
    }
  }

  /** What the model was last loaded on. */
  get device(): EngineDevice | null {
    return this.#device;
  }

  get id(): string {
    return this.#settings.model.id;
  }

  /** See {@linkcode ModelAbsence}; null while the process has the model. */
  get absence(): ModelAbsence | null {
    return this.#absence;
  }

  /**
   * Works with the process, which is started first when it was idle.
   *
   * @throws ApiError `model_not_loaded` while it starts again; what the work throws
   */
  async run<Result>(work: (child: EngineChild) => Promise<Result>): Promise<Result> {
    using _use = this.#use();
    const child = this.#child ?? await this.#wake();
    const result = await work(child);
    this.#failures = 0;
    return result;
  }

  /** Works with the process if it is there, and ignores its crash: for what a new process does not need. */
  async runIfPresent(work: (child: EngineChild) => Promise<unknown>): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    using _use = this.#use();
    await Promise.race([work(child), child.ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#clearTimers();
    await this.#unused.promise;
    await this.kill();
  }

  /** Ends the process and what runs on it. */
  async kill(): Promise<void> {
    this.#closing.abort(new DOMException("The model is unloaded", "AbortError"));
    this.#clearTimers();
    await this.#starting?.catch(() => {});
    await this.#child?.kill();
  }

  #clearTimers(): void {
    clearTimeout(this.#restart?.timer);
    clearTimeout(this.#keepAlive);
    this.#restart = null;
  }

  #use(): Disposable {
    clearTimeout(this.#keepAlive);
    if (this.#users++ === 0) this.#unused = Promise.withResolvers();
    return {
      [Symbol.dispose]: () => {
        if (--this.#users > 0) return;
        this.#unused.resolve();
        this.#scheduleSleep();
      },
    };
  }

  /** The process that an idle model gets; throws for one that crashed. */
  async #wake(): Promise<EngineChild> {
    if (this.#absence?.kind !== "idle") throw this.#notLoaded();
    this.#starting ??= this.#start();
    return await this.#starting.catch((error) => {
      if (this.#absence?.kind === "idle") this.#fail(messageOf(error));
      throw this.#notLoaded();
    });
  }

  #notLoaded(): ApiError {
    const untilStartMs = Math.max(0, (this.#restart?.at ?? 0) - performance.now());
    const retryAfterSeconds = Math.max(1, Math.ceil((untilStartMs + this.#startMs) / 1_000));
    return new ApiError("model_not_loaded", this.#absence?.reason ?? "", { retryAfterSeconds });
  }

  async #start(): Promise<EngineChild> {
    const startedAt = performance.now();
    const { log } = this.#options;
    try {
      const child = await EngineChild.start(this.#settings, { log, signal: this.#closing.signal });
      this.#startMs = performance.now() - startedAt;
      this.#child = child;
      this.#device = child.device;
      this.#absence = null;
      void child.ended.then((how) => this.#onEnd(child, how));
      log.info("The model's process has started", {
        model: this.id,
        pid: child.pid,
        startMs: Math.round(this.#startMs),
      });
      this.#scheduleSleep();
      return child;
    } finally {
      this.#starting = null;
    }
  }

  #onEnd(child: EngineChild, how: string): void {
    if (this.#child !== child) return;
    this.#child = null;
    if (this.#closing.signal.aborted) return;
    this.#options.onCrash();
    this.#fail(`The model's process ended ${how}`, this.#failures === 0 ? "restarting" : "failing");
  }

  /** Starts the process again: at once after its first fault, then with growing waits. */
  #fail(reason: string, kind: ModelAbsence["kind"] = "failing"): void {
    clearTimeout(this.#keepAlive);
    if (this.#closing.signal.aborted) return;
    this.#failures++;
    this.#absence = { kind, reason: `${reason}; it is started again` };
    const delayMs = this.#failures === 1 ? 0 : backoffMs(this.#failures - 1, RESTART_BACKOFF);
    this.#options.log.warn("The model's process is started again", { model: this.id, reason, delayMs });
    const start = () => {
      this.#starting = this.#start();
      this.#starting.catch((error) => this.#fail(messageOf(error)));
    };
    this.#restart = { timer: setTimeout(start, delayMs), at: performance.now() + delayMs };
  }

  #scheduleSleep(): void {
    const { keepAliveMs } = this.#options;
    if (keepAliveMs === null || this.#child === null || this.#users > 0) return;
    clearTimeout(this.#keepAlive);
    this.#keepAlive = setTimeout(() => this.#sleep(), keepAliveMs);
  }

  #sleep(): void {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    this.#absence = { kind: "idle", reason: "Its memory was given back; the next request loads it again" };
    this.#options.log.info("The model's memory is given back", { model: this.id });
    void child.kill();
  }
}

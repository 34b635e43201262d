/** A small real HTTP server with ml's wire, for tests of the server: it answers, fails or hangs as configured. */
import type { ErrorCode, Fault } from "../../../contract/errors.ts";
import {
  type GenerateCandidate,
  type GenerateRequest,
  generateRequestSchema,
  type GenerateResult,
  type HealthResponse,
} from "../../../contract/ml.ts";
import {
  type MlStartTrainingRequest,
  mlStartTrainingRequestSchema,
  type MlTrainingStatus,
} from "../../../contract/ml_training.ts";
import { ML_PATHS } from "../../../contract/paths.ts";
import { type Context, streamSSE } from "../../../deps.ts";
import { createApiApp, createRoutes } from "../../../lib/http/app.ts";
import { ApiError } from "../../../lib/errors.ts";
import { type HttpServer, serveHttp } from "../../../lib/http/http_server.ts";
import { silentLogger } from "../../../lib/log.ts";

/** What the next calls of `/generate` and `/training/start` get. */
export type MlBehaviour =
  /** `pieces`: what a reader of the stream gets before the answer. */
  | { kind: "answer"; response?: string; pieces?: string[]; candidates?: MlCandidate[] }
  | { kind: "fail"; code: ErrorCode; message?: string; retryAfterSeconds?: number; details?: Fault[] }
  /** `/training/start` takes the job, and what it answers is of no use; a streamed reply breaks off. */
  | { kind: "lose_answer" }
  | { kind: "garbage" }
  /** With a stream: after its first piece. */
  | { kind: "hang" };

/** A text that ml has written, if asked for several. */
type MlCandidate = Pick<GenerateCandidate, "response"> & Partial<GenerateCandidate>;

/** A promise that a test awaits and the server resolves. */
interface Signal {
  promise: Promise<void>;
  resolve: () => void;
}

function signal(): Signal {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, resolve };
}

const TIMINGS = {
  queue_ms: 1,
  prompt_ms: 2,
  prompt_tokens: 30,
  cached_tokens: 0,
  generate_ms: 3,
  tokens_per_second: 100,
};

/** What its probe shows of every adapter. */
const PROOF = { sha256: "ab".repeat(32), probe: "agrees", shift: 0.5, expected_shift: 0.49 } as const;

/** An ml service without a model. Its state is open to the test. */
export class MlServer implements AsyncDisposable {
  behaviour: MlBehaviour = { kind: "answer" };
  health: HealthResponse = {
    status: "healthy",
    model_loaded: true,
    model_version: "test-model",
    redis_connected: true,
    kv_connected: true,
    queue_length: 0,
  };
  /** Parsed bodies of `/generate`, in order. */
  readonly generated: GenerateRequest[] = [];
  /** Parsed bodies of `/training/start`, in order. */
  readonly started: MlStartTrainingRequest[] = [];
  /** What `/training/status` answers, by job id. */
  readonly trainingJobs = new Map<string, MlTrainingStatus>();
  /** The adapters that it has, and whether they serve. */
  readonly adapters = new Map<string, "ready" | "tainted" | "damaged" | "unproven">();
  /** Adapters and jobs of which it takes no order, and what it answers instead. */
  readonly refusing = new Map<string, ErrorCode>();
  /** The requests that changed adapters, cache and jobs, in order: method and path. */
  readonly orders: string[] = [];
  /** Open streams of training events. */
  readonly #watchers = new Map<string, Set<() => void>>();
  /** The statuses reported of each job; an event's id is its position, from 1. */
  readonly #reported = new Map<string, MlTrainingStatus[]>();
  /** The `Authorization` header of each request. */
  readonly authorizations: (string | undefined)[] = [];
  /** Ends the open streams, which would keep the server from closing. */
  readonly #ending: (() => void)[] = [];
  #left = signal();
  #arrived = signal();
  #aborted = signal();
  #released = signal();
  #server: HttpServer | undefined;
  #port = 0;

  private constructor() {}

  /** Listens on a free port. */
  static async start(): Promise<MlServer> {
    const server = new MlServer();
    await server.#listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Resolves once a call of `/generate` hangs. */
  get hanging(): Promise<void> {
    return this.#arrived.promise;
  }

  /** Resolves once the client of a hanging call went away. */
  get abandoned(): Promise<void> {
    return this.#aborted.promise;
  }

  /** Lets hanging calls answer. */
  release(): void {
    this.#released.resolve();
  }

  /** Reports a job's status to its readers. A completed job has its adapter. */
  reportTraining(status: MlTrainingStatus): void {
    this.trainingJobs.set(status.job_id, status);
    if (status.result) this.adapters.set(status.result.adapter_id, "ready");
    this.#statusesOf(status.job_id).push(status);
    for (const watcher of this.#watchers.get(status.job_id) ?? []) watcher();
  }

  #statusesOf(jobId: string): MlTrainingStatus[] {
    const statuses = this.#reported.get(jobId) ?? [];
    this.#reported.set(jobId, statuses);
    return statuses;
  }

  /** How many streams of a job's events are open. */
  watchersOf(jobId: string): number {
    return this.#watchers.get(jobId)?.size ?? 0;
  }

  /** Resolves once a job's events have no reader. */
  async unwatched(jobId: string): Promise<void> {
    while (this.watchersOf(jobId) > 0) await this.#left.promise;
  }

  /** Stops listening, as a machine that sleeps does. */
  async goDown(): Promise<void> {
    for (const end of this.#ending.splice(0)) end();
    await this.#server?.shutdown();
  }

  /** Listens again on the same port. */
  async comeBack(): Promise<void> {
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    for (const end of this.#ending.splice(0)) end();
    await this.#server?.shutdown();
  }

  async #listen(): Promise<void> {
    this.#server = await serveHttp(this.#app().fetch, { hostname: "127.0.0.1", port: this.#port });
    this.#port = this.#server.port;
  }

  #app() {
    const app = createApiApp({ log: silentLogger() });
    app.use(async (c, next) => {
      this.authorizations.push(c.req.header("authorization"));
      await next();
    });
    const routes = createRoutes();
    routes.get(ML_PATHS.health, (c) => c.json(this.health));
    routes.post(ML_PATHS.generate, async (c) => {
      const request = generateRequestSchema.parse(await c.req.json());
      this.generated.push(request);
      if (request.adapter_id !== undefined) this.#checkAdapter(request.adapter_id);
      const isStream = c.req.header("accept") === "text/event-stream";
      if (isStream && this.behaviour.kind !== "fail") return this.#streamReply(c, request);
      await this.#behave(c.req.raw.signal);
      if (this.behaviour.kind === "garbage") return c.json({ hello: "world" });
      return c.json(this.#result(request.adapter_id));
    });
    routes.post(ML_PATHS.startTraining, async (c) => {
      const request = mlStartTrainingRequestSchema.parse(await c.req.json());
      this.started.push(request);
      await this.#behave(c.req.raw.signal);
      const job: MlTrainingStatus = { job_id: request.job_id, status: "queued", progress: 0, error: null };
      this.reportTraining(job);
      return this.behaviour.kind === "lose_answer" ? c.json({}) : c.json(job, 202);
    });
    routes.get(ML_PATHS.trainingStatus, (c) => c.json(this.#jobOf(c.req.param("job_id"))));
    routes.post(ML_PATHS.cancelTraining, (c) => {
      this.#takeOrder(c);
      const before = this.#jobOf(c.req.param("job_id"));
      if (!["queued", "training"].includes(before.status)) {
        throw new ApiError("conflict", "The training job has ended already");
      }
      const job: MlTrainingStatus = { ...before, status: "cancelled" };
      this.trainingJobs.set(job.job_id, job);
      return c.json(job);
    });
    routes.get(ML_PATHS.trainingEvents, (c) => this.#streamEvents(c, c.req.param("job_id")));
    routes.post(ML_PATHS.taintAdapter, (c) => {
      this.#takeOrder(c);
      this.#requireAdapter(c.req.param("id"));
      this.adapters.set(c.req.param("id"), "tainted");
      return c.json({});
    });
    routes.delete(ML_PATHS.adapter, (c) => {
      this.#takeOrder(c);
      this.#requireAdapter(c.req.param("id"));
      this.adapters.delete(c.req.param("id"));
      return c.json({});
    });
    routes.delete(ML_PATHS.cache, (c) => {
      this.#takeOrder(c);
      return c.json({ invalidated: 0 });
    });
    return app.route("/", routes);
  }

  #streamReply(c: Context, request: GenerateRequest): Response {
    return streamSSE(c, async (stream) => {
      const { behaviour } = this;
      const pieces = behaviour.kind === "answer" ? behaviour.pieces ?? [] : ["A piece"];
      for (const text of pieces) await stream.writeSSE({ event: "token", data: JSON.stringify({ text }) });
      await this.#behave(c.req.raw.signal);
      if (behaviour.kind === "lose_answer") return;
      const data = behaviour.kind === "garbage" ? { hello: "world" } : this.#result(request.adapter_id);
      await stream.writeSSE({ event: "done", data: JSON.stringify(data) });
    });
  }

  #takeOrder({ req }: Context): void {
    const { pathname, searchParams } = new URL(req.url);
    this.orders.push(`${req.method} ${pathname}${searchParams.get("pattern") ?? ""}`);
    if (this.behaviour.kind === "fail") throw new ApiError(this.behaviour.code, "ml refuses");
    for (const [target, code] of this.refusing) {
      if (pathname.includes(target)) throw new ApiError(code, "ml refuses");
    }
  }

  #requireAdapter(id: string): "ready" | "tainted" | "damaged" | "unproven" {
    const state = this.adapters.get(id);
    if (state === undefined) throw new ApiError("not_found", "There is no adapter with this id");
    return state;
  }

  #checkAdapter(id: string): void {
    const state = this.#requireAdapter(id);
    if (state === "tainted") throw new ApiError("conflict", "The adapter is tainted");
    if (state === "damaged") throw new ApiError("adapter_damaged", "The adapter is damaged");
    if (state === "unproven") throw new ApiError("adapter_unproven", "The adapter does not change the model");
  }

  #streamEvents(c: Context, jobId: string): Response {
    this.#jobOf(jobId);
    const after = Number(c.req.header("last-event-id") ?? 0);
    return streamSSE(c, async (stream) => {
      let isOpen = true;
      let changed = signal();
      const wake = () => changed.resolve();
      const end = () => {
        isOpen = false;
        wake();
      };
      const watchers = this.#watchers.get(jobId) ?? new Set();
      this.#watchers.set(jobId, watchers.add(wake));
      stream.onAbort(end);
      this.#ending.push(end);
      for (let next = after; isOpen;) {
        const status = this.#statusesOf(jobId)[next];
        if (status === undefined) {
          await changed.promise;
          changed = signal();
          continue;
        }
        const id = String(++next);
        await stream.writeSSE({ id, event: "status", data: JSON.stringify(status) });
        if (status.status !== "queued" && status.status !== "training") end();
      }
      watchers.delete(wake);
      this.#left.resolve();
      this.#left = signal();
    });
  }

  #jobOf(id: string): MlTrainingStatus {
    const job = this.trainingJobs.get(id);
    if (job === undefined) throw new ApiError("not_found", "There is no training job with this id");
    return job;
  }

  #result(adapterId?: string): GenerateResult {
    const count = this.generated.length;
    const text = this.behaviour.kind === "answer" ? this.behaviour.response : undefined;
    const reply = {
      response: text ?? ` Reply number ${count} `,
      confidence: 0.75,
      tokens_used: 4,
      cached: false,
      finish_reason: "stop" as const,
      timings: TIMINGS,
    };
    const candidates = this.behaviour.kind === "answer" && (this.generated.at(-1)?.n ?? 1) > 1
      ? this.behaviour.candidates?.map((candidate) => ({ ...reply, ...candidate }))
      : undefined;
    return {
      ...reply,
      ...candidates?.[0],
      candidates,
      model_version: adapterId === undefined ? "test-model" : `test-model+${adapterId}`,
      ...(adapterId === undefined ? {} : { adapter: { ...PROOF, id: adapterId } }),
    };
  }

  async #behave(clientGone: AbortSignal): Promise<void> {
    const { behaviour } = this;
    if (behaviour.kind === "fail") {
      const { code, message = `ml says ${code}`, retryAfterSeconds, details } = behaviour;
      throw new ApiError(code, message, { retryAfterSeconds, details });
    }
    if (behaviour.kind !== "hang") return;
    const gone = new Promise<void>((resolve) => {
      clientGone.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#arrived.resolve();
    await Promise.race([gone, this.#released.promise]);
    if (clientGone.aborted) this.#aborted.resolve();
  }
}

/** Owns the server's app for tests: on a real database, a real job queue and an ml of the test's own. */
import assert from "node:assert/strict";
import type { z } from "zod";
import { registerDeviceResponseSchema, verifyDeviceResponseSchema } from "../../../contract/devices.ts";
import { type ErrorBody, errorBodySchema, type ErrorCode } from "../../../contract/errors.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { KvJobQueue } from "../../../lib/jobs/kv_job_queue.ts";
import { createLogger } from "../../../lib/log.ts";
import { createMetrics } from "../../../lib/metrics.ts";
import { createServerApp, type ServerAppOptions } from "../../../server/app.ts";
import { createMlClient } from "../../../server/clients/ml.ts";
import {
  createDraftHandler,
  type ServerJobs,
  type ServerTasks,
} from "../../../server/services/drafts/draft_jobs.ts";
import { MlReconciler } from "../../../server/services/training/ml_reconciler.ts";
import { createTrainingJobSync } from "../../../server/services/training/training_job_sync.ts";
import { MlServer } from "../ml/ml_server.ts";
import { openTestStore } from "./server_store.ts";

/** The secret that signs every token of these tests. */
export const TEST_SECRET = new TextEncoder().encode("a secret for tests, 32 bytes long or more");

export interface ServerAppUnderTestOptions {
  /** Shared with another app, as a restarted server shares its database; by default an own, empty one. */
  store?: ServerAppOptions["store"];
  pairing?: "open" | "approve";
  mlToken?: string;
}

export interface RequestOptions {
  method?: string;
  token?: string;
  body?: unknown;
  /** The client's address; each test client is its own host by default. */
  address?: string;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

/** A device that has verified itself. */
export interface PairedDevice {
  deviceId: string;
  token: string;
}

/** The server's app, and what tests need around it. */
export interface ServerAppUnderTest extends AsyncDisposable {
  readonly store: ServerAppOptions["store"];
  readonly jobs: ServerJobs;
  readonly ml: MlServer;
  /** It is not started: a test calls `sweep` when it wants a pass. */
  readonly reconciler: MlReconciler;
  /** What the server takes for the present; a test may turn it. */
  readonly clock: { now: Date };
  /** How often the server said that there is something new for ml. */
  readonly outbox: { triggers: number };
  /** Lines of the server's log. */
  readonly logLines: string[];
  request(path: string, options?: RequestOptions): Promise<Response>;
  /** Sends a request as it is. */
  send(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a request that must succeed with a status, and parses its answer. */
  expect<Schema extends z.ZodType>(
    path: string,
    expected: RequestOptions & { status?: number; schema: Schema },
  ): Promise<z.output<Schema>>;
  /** Sends a request that must be refused, and returns the checked error body. */
  refuse(path: string, expected: RequestOptions & { status: number; code: ErrorCode }): Promise<ErrorBody>;
  /** Registers and verifies a device. */
  pair(options?: { scope?: "full" | "sync"; address?: string }): Promise<PairedDevice>;
}

/** A registration as the reference writes it. */
export const REGISTRATION = {
  name: "MacBook Pro",
  hardwareId: "ABC123-DEF456",
  platform: "macos",
  osVersion: "14.0",
};

function initOf(options: RequestOptions): RequestInit {
  const { method = options.body === undefined ? "GET" : "POST", token, body, headers, signal } = options;
  return {
    method,
    signal,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
}

/** Starts the app with background drafts running. */
export async function startServerApp(options: ServerAppUnderTestOptions = {}): Promise<ServerAppUnderTest> {
  const stack = new AsyncDisposableStack();
  const store = options.store ?? stack.use(await openTestStore());
  const directory = await Deno.makeTempDir({ prefix: "server-app-" });
  stack.defer(() => Deno.remove(directory, { recursive: true }));
  const kv = stack.adopt(await Deno.openKv(`${directory}/server.kv`), (kv) => kv.close());
  const logLines: string[] = [];
  const log = createLogger({ pretty: false, level: "debug", write: (line) => logLines.push(line) });
  const jobs = stack.use(
    new KvJobQueue<ServerTasks>({ name: "server", kv, directory, log, backoff: { baseMs: 5, capMs: 20 } }),
  );
  const ml = stack.use(new MlServer());
  const mlClient = createMlClient({ baseUrl: ml.url, token: options.mlToken ?? null });
  const clock = { now: new Date() };
  const { pairing = "open" } = options;
  const jobSync = createTrainingJobSync({ ...store, jobs: store.trainingJobs, ml: mlClient, log });
  const reconciler = stack.use(new MlReconciler({ ...store, jobSync, ml: mlClient, log }));
  const outbox = { triggers: 0 };
  const app = createServerApp({
    store,
    jobs,
    pingKv: () => kv.get(["health"]),
    ml: mlClient,
    jobSync,
    onOutbox: () => {
      outbox.triggers++;
      reconciler.trigger();
    },
    secret: TEST_SECRET,
    pairing,
    clientAddressOf: (c) => c.req.header("x-test-address") ?? "192.0.2.1",
    metrics: createMetrics(),
    log,
    now: () => clock.now,
  });
  jobs.listen({ draft: createDraftHandler({ ...store, ml: mlClient, log }) }, { concurrency: 2 });
  let clients = 0;

  const request: ServerAppUnderTest["request"] = async (path, { address, ...init } = {}) => {
    const headers = address === undefined ? init.headers : { ...init.headers, "x-test-address": address };
    return await app.request(path, initOf({ ...init, headers }));
  };
  const expect: ServerAppUnderTest["expect"] = async (path, { status = 200, schema, ...init }) => {
    const response = await request(path, init);
    const body: unknown = await response.json();
    assert.equal(response.status, status, `${path} answered ${response.status} ${JSON.stringify(body)}`);
    return schema.parse(body);
  };
  const refuse: ServerAppUnderTest["refuse"] = async (path, { status, code, ...init }) => {
    const response = await request(path, init);
    const body = errorBodySchema.parse(await response.json());
    assert.deepEqual({ status: response.status, code: body.code }, { status, code }, body.message);
    assert.equal(body.statusCode, status);
    assert.equal(body.requestId, response.headers.get("x-request-id"));
    return body;
  };
  return {
    store,
    jobs,
    ml,
    reconciler,
    clock,
    outbox,
    logLines,
    request,
    send: async (path, init) => await app.request(path, init),
    expect,
    refuse,
    async pair({ scope, address = `client-${clients++}` } = {}) {
      const { deviceId, code } = await expect(SERVER_PATHS.registerDevice, {
        body: { ...REGISTRATION, scope },
        address,
        status: 201,
        schema: registerDeviceResponseSchema,
      });
      const body = { deviceId, code };
      const { token } = await expect(SERVER_PATHS.verifyDevice, {
        body,
        address,
        schema: verifyDeviceResponseSchema,
      });
      return { deviceId, token };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Runs the server's app in a test, on a real database and a real job queue, with an ml service that the test controls. */
import assert from "node:assert/strict";
import type { z } from "zod";
import { registerDeviceResponseSchema, verifyDeviceResponseSchema } from "../../../contract/devices.ts";
import { type ErrorBody, errorBodySchema, type ErrorCode } from "../../../contract/errors.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import type { FetchHandler } from "../../../lib/http/node_bridge.ts";
import { createLogger } from "../../../lib/log.ts";
import type { Clock } from "../../../lib/clock.ts";
import { createServerApp } from "../../../server/app.ts";
import { createMlClient, type MlClient } from "../../../server/clients/ml.ts";
import { serverConfigFrom } from "../../../server/config.ts";
import { createContext } from "../../../server/context.ts";
import type { ServerJobs } from "../../../server/services/drafts/draft_jobs.ts";
import type { MlReconciler } from "../../../server/services/training/outbox.ts";
import type { TrainingJobSync } from "../../../server/services/training/job_sync.ts";
import type { Stores } from "../../../server/store/store.ts";
import { MlServer } from "../ml/ml_server.ts";
import { createTestDatabase } from "../postgres/postgres.ts";

const SECRET_TEXT = "a secret for tests, 32 bytes long or more";
/** The secret that signs every token of these tests. */
export const TEST_SECRET = new TextEncoder().encode(SECRET_TEXT);

export interface ServerAppUnderTestOptions {
  /** Shared with another app, as a restarted server shares its database; by default an own, empty one. */
  store?: Stores;
  pairing?: "open" | "approve";
  /** Where the server listens, as far as its rules go; by default its machine alone. */
  host?: string;
  /** Of requests that name no address. */
  clientAddress?: string;
  mlToken?: string;
  /** Runs the reconciler's timers; by default it runs only when a test calls it. */
  clock?: Clock;
  /** More of the server's environment. */
  settings?: Record<string, string>;
  /** Changes the client of ml, to act between its calls. */
  wrapMl?: (ml: MlClient) => MlClient;
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
  refreshToken: string;
}

/** The server's app, and what tests need around it. */
export interface ServerAppUnderTest extends AsyncDisposable {
  readonly store: Stores;
  readonly jobs: ServerJobs;
  readonly ml: MlServer;
  /** It is not started: a test calls `reconcile` when it wants a pass. */
  readonly reconciler: MlReconciler;
  readonly jobSync: TrainingJobSync;
  /** The server's time; a test may change it. */
  readonly clock: { now: Date };
  /** How often the reconciler was triggered by something new for ml. */
  readonly outbox: { triggers: number };
  /** Lines of the server's log. */
  readonly logLines: string[];
  /** For a server that listens. */
  readonly fetch: FetchHandler;
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
  const store = options.store ?? stack.use(await createTestDatabase()).stores;
  const dataDir = await Deno.makeTempDir({ prefix: "server-app-" });
  stack.defer(() => Deno.remove(dataDir, { recursive: true }));
  const logLines: string[] = [];
  const log = createLogger({ pretty: false, level: "debug", write: (line) => logLines.push(line) });
  const ml = stack.use(await MlServer.start());
  const clock = { now: new Date() };
  const settings = {
    SERVER_HOST: options.host,
    DATA_DIR: dataDir,
    JWT_SECRET: SECRET_TEXT,
    ML_URL: ml.url,
    ML_TOKEN: options.mlToken,
  };
  const config = {
    ...serverConfigFrom({ ...settings, ...options.settings }),
    pairing: options.pairing ?? "open",
  };
  const context = stack.use(
    await createContext(config, {
      store,
      log,
      ml: options.wrapMl?.(createMlClient({ baseUrl: ml.url, token: config.mlToken })),
      // Without timers, so that the reconciler runs only when a test calls it.
      clock: options.clock ?? { now: () => clock.now.getTime(), after: () => () => {} },
      clientAddressOf: (c) => c.req.header("x-test-address") ?? options.clientAddress ?? "192.0.2.1",
      jobBackoff: { baseMs: 5, capMs: 20 },
    }),
  );
  const { jobs, jobSync, reconciler } = context;
  const outbox = { triggers: 0 };
  const trigger = reconciler.trigger.bind(reconciler);
  reconciler.trigger = () => {
    outbox.triggers++;
    trigger();
  };
  await context.start();
  const app = createServerApp(context);
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
    jobSync,
    clock,
    outbox,
    logLines,
    fetch: app.fetch,
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
      const { token, refreshToken } = await expect(SERVER_PATHS.verifyDevice, {
        body,
        address,
        schema: verifyDeviceResponseSchema.required(),
      });
      return { deviceId, token, refreshToken };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

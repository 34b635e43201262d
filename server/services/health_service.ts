/** Reports the server's health: its database, its job store, and the last known state of ml. */
import type { AdapterProof, Backend, HealthResponse } from "../../contract/ml.ts";
import type { ServerHealth } from "../../contract/health.ts";
import { WIRE_VERSION } from "../../contract/wire.ts";
import { ApiError } from "../../lib/errors.ts";
import { VERSION } from "../../lib/version.ts";
import type { MlClient } from "../clients/ml.ts";

/** How old an answer of ml may be, so that frequent health checks do not become load on ml. */
const ML_SEEN_FOR_MS = 2_000;
const DATABASE_TIMEOUT_MS = 2_000;
const READY_RETRY_SECONDS = 5;

type MlHealth = Pick<ServerHealth, "ml" | "model_version" | "adapters">;

/** ml as it was last seen. */
export interface MlSeen {
  readonly health: MlHealth;
  /** Why the model is not in memory. */
  readonly reason: string | null;
  /** What its model is computed by; null where it does not say. */
  readonly backend: Backend | null;
  /** Requests that wait there; null while it is away. */
  readonly queueLength: number | null;
  /** When it was first found away; null while it answers. */
  readonly offlineSince: Date | null;
}

export interface HealthServiceOptions {
  /** Rejects unless the database answers in time. */
  pingDatabase: (options: { timeoutMs: number }) => Promise<void>;
  /** Rejects unless the job store answers. */
  pingKv: () => Promise<unknown>;
  ml: Pick<MlClient, "health">;
  now: () => Date;
}

export interface HealthService {
  /** `healthy` when all that the main job needs answers; never throws. */
  health(): Promise<ServerHealth>;
  /** ml as it was seen within the last two seconds; never throws. */
  ml(): Promise<MlSeen>;
  /** @throws ApiError `database_unavailable` when the database does not answer */
  checkReady(): Promise<void>;
}

async function answers(ping: Promise<unknown>): Promise<boolean> {
  return await ping.then(() => true, () => false);
}

function countsOf(proofs: readonly AdapterProof[]): ServerHealth["adapters"] {
  const counts = { agrees: 0, measured: 0, refused: 0 };
  for (const { probe } of proofs) counts[probe]++;
  return counts;
}

function mlHealthOf({ status, model_loaded, model_version, adapters: proofs }: HealthResponse): MlHealth {
  const adapters = proofs && countsOf(proofs);
  // Where ml has given its memory back, the next request loads the model.
  if (model_loaded || status === "healthy") return { ml: "ready", model_version, adapters };
  return { ml: status === "loading" ? "loading" : "unavailable", model_version: null };
}

async function readMl({ ml, now }: HealthServiceOptions, before: MlSeen | null): Promise<MlSeen> {
  try {
    const answer = await ml.health();
    const { reason = null, backend = null, queue_length: queueLength } = answer;
    return { health: mlHealthOf(answer), reason, backend, queueLength, offlineSince: null };
  } catch {
    const health: MlHealth = { ml: "unavailable", model_version: null };
    return {
      health,
      reason: null,
      backend: null,
      queueLength: null,
      offlineSince: before?.offlineSince ?? now(),
    };
  }
}

/** Makes the health service. */
export function createHealthService(options: HealthServiceOptions): HealthService {
  let seen: { at: number; answer: Promise<MlSeen> } | null = null;

  function lastSeenMl(): Promise<MlSeen> {
    const now = options.now().getTime();
    if (seen === null || now - seen.at >= ML_SEEN_FOR_MS) {
      const before = seen?.answer ?? null;
      seen = { at: now, answer: Promise.resolve(before).then((last) => readMl(options, last)) };
    }
    return seen.answer;
  }

  return {
    ml: lastSeenMl,
    async checkReady() {
      if (await answers(options.pingDatabase({ timeoutMs: DATABASE_TIMEOUT_MS }))) return;
      throw new ApiError("database_unavailable", "The database does not answer", {
        retryAfterSeconds: READY_RETRY_SECONDS,
      });
    },
    async health() {
      const [database, kv, { health: ml }] = await Promise.all([
        answers(options.pingDatabase({ timeoutMs: DATABASE_TIMEOUT_MS })),
        answers(options.pingKv()),
        lastSeenMl(),
      ]);
      return {
        status: database && kv && ml.ml === "ready" ? "healthy" : "degraded",
        version: VERSION,
        wire_version: WIRE_VERSION,
        database_connected: database,
        kv_connected: kv,
        ...ml,
      };
    },
  };
}

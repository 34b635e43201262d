/** Owns what `/health` says: the model, the store of jobs and cache, and how much waits. */
import type { HealthResponse } from "../../contract/ml.ts";
import type { Engine } from "../engine/engine.ts";
import type { ModelService } from "./model_service.ts";

export interface HealthService {
  check(): Promise<HealthResponse>;
}

export interface HealthServiceOptions {
  models: Pick<ModelService, "state">;
  engine: Pick<Engine, "occupancy">;
  /** Rejects unless the store of jobs and cache answers. */
  pingKv: () => Promise<unknown>;
  /** Number of queued jobs. */
  queuedJobs: () => Promise<number>;
}

const STATUS_OF_MODEL = { loading: "loading", ready: "healthy", failed: "degraded" } as const;

/** Makes the service. */
export function createHealthService(options: HealthServiceOptions): HealthService {
  return {
    async check() {
      const { status, modelId, reason } = options.models.state;
      const kvConnected = await options.pingKv().then(() => true, () => false);
      const queuedJobs = await options.queuedJobs().catch(() => 0);
      return {
        status: kvConnected ? STATUS_OF_MODEL[status] : "degraded",
        model_loaded: modelId !== null,
        model_version: modelId,
        redis_connected: kvConnected,
        kv_connected: kvConnected,
        queue_length: options.engine.occupancy.waiting + queuedJobs,
        ...(reason === undefined ? {} : { reason }),
      };
    },
  };
}

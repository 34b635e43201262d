/** Which model is served: loading the configured one at start, reloading, and what `/health` says of it. */
import { join } from "node:path";
import type { Backend, HealthResponse, ModelList, ReloadResponse } from "../../contract/ml.ts";
import { ApiError, messageOf } from "../../lib/errors.ts";
import { ifPresent } from "../../lib/files.ts";
import type { Logger } from "../../lib/log.ts";
import type { Engine } from "../engine/engine.ts";
import type { ModelSource } from "../models/model_source.ts";
import type { AdapterProofs } from "./adapter_proofs.ts";

/** The model file that is served; an adapter fits exactly one. */
export interface ServedModelFile {
  id: string;
  path: string;
  /** In hex. */
  sha256: string;
}

export interface ModelServiceOptions {
  engine: Engine;
  source: ModelSource;
  /** What to load at start: the setting `MODEL`. */
  model: string;
  /** The GPU that is expected to compute, in words; null where none is. */
  expectedGpu: string | null;
  log: Logger;
}

/** When to retry while no model is loaded. */
const RETRY_AFTER_SECONDS = 5;

/** The state of the model. */
export interface ModelState {
  /** `ready` also while its memory is given back: the next request loads it. */
  status: "loading" | "ready" | "failed";
  /** The model that is served, though it may not be in memory. */
  modelId: string | null;
  isLoaded: boolean;
  /** Why it is not in memory. */
  reason?: string;
}

const STATUS_OF_ABSENCE = { idle: "ready", restarting: "loading", failing: "failed" } as const;

export interface ModelService {
  readonly state: ModelState;
  /** What the model was last loaded on; null where that is not known. */
  readonly backend: Backend | null;
  /** Loads the configured model. Never rejects: failures go into `state` and the log. */
  start(): Promise<void>;
  /**
   * Loads another model, or the configured one again. When that fails, the current model stays.
   *
   * @throws ApiError `not_found` for an unknown id, `conflict` while one is being loaded, `model_not_loaded`
   */
  reload(id?: string): Promise<ReloadResponse>;
  /** Every model of the catalog and of the models folder, and those that were served from elsewhere. */
  list(): Promise<ModelList["models"]>;
  /** The file served now. Throws ApiError `model_not_loaded`, or `not_implemented` where another server holds it. */
  servedFile(): Promise<ServedModelFile>;
}

function notLoaded(message: string, cause?: unknown): ApiError {
  return new ApiError("model_not_loaded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

function unknownModel(id: string | undefined): ApiError {
  return new ApiError("not_found", `There is no model ${id}; GET /models lists those there are`);
}

/** The file of the loaded model; its hash is computed in the background. */
interface LoadedFile {
  id: string;
  path: string;
  sha256: Promise<string> | null;
}

async function fileOf(loaded: LoadedFile | null): Promise<ServedModelFile> {
  if (loaded === null) throw notLoaded("No model is loaded; /health says why");
  const { id, path, sha256 } = loaded;
  if (sha256 === null) {
    throw new ApiError("not_implemented", "Another server holds the model: no adapters there");
  }
  try {
    return { id, path, sha256: await sha256 };
  } catch (error) {
    throw notLoaded("The file of the served model can no longer be read", error);
  }
}

type SourceModels = Awaited<ReturnType<ModelSource["list"]>>;

/** A source's models, and those that were served from elsewhere. */
function withServed(models: SourceModels, pathsById: ReadonlyMap<string, string>): SourceModels {
  const listed = new Set(models.map(({ id }) => id));
  const others = [...pathsById.keys()].filter((id) => !listed.has(id));
  return [...models, ...others.map((id) => ({ id, present: true, size_bytes: null, licence: null }))];
}

function stateOf(
  { modelId, absence }: Pick<Engine, "modelId" | "absence">,
  { loading, reason }: { loading: boolean; reason: string },
): ModelState {
  if (absence) {
    return { status: STATUS_OF_ABSENCE[absence.kind], modelId, isLoaded: false, reason: absence.reason };
  }
  if (modelId !== null) return { status: "ready", modelId, isLoaded: true };
  if (loading) return { status: "loading", modelId, isLoaded: false, reason: "The model is being loaded" };
  return { status: "failed", modelId, isLoaded: false, reason };
}

function reportLoad(
  { engine, expectedGpu, log }: ModelServiceOptions,
  { id, why, startedAt }: { id: string; why: string; startedAt: number },
): void {
  log.info(`The model is ${id}: ${why}`, {
    model: id,
    loadMs: Math.round(performance.now() - startedAt),
    ...engine.device,
  });
  const warning = backendOf(engine, expectedGpu)?.warning;
  if (warning) log.warn(warning, { model: id });
}

/** Makes the service; nothing is loaded before `start`. */
export function createModelService(options: ModelServiceOptions): ModelService {
  const { engine, source, model, log } = options;
  let served: LoadedFile | null = null;
  /** Models by the ids they were served under: one that MODEL names by its path may be in no folder. */
  const pathsById = new Map<string, string>();
  let loading = false;
  let reason = "No model has been loaded yet";

  async function load(wanted: string): Promise<void> {
    loading = true;
    try {
      const { id, path, why } = await source.resolve(wanted);
      const startedAt = performance.now();
      await engine.load({ id, path });
      const sha256 = source.sha256Of(path);
      // A failure surfaces where the hash is awaited.
      sha256?.catch(() => {});
      served = { id, path, sha256 };
      pathsById.set(id, path);
      reportLoad(options, { id, why, startedAt });
    } catch (error) {
      reason = messageOf(error);
      throw error;
    } finally {
      loading = false;
    }
  }

  return {
    get backend() {
      return backendOf(engine, options.expectedGpu);
    },
    get state(): ModelState {
      return stateOf(engine, { loading, reason });
    },

    async start() {
      await load(model).catch((error) => log.error("No model is loaded", { reason: messageOf(error) }));
    },

    async reload(id) {
      const known = id === undefined || await source.knows(id) ? id ?? model : pathsById.get(id);
      if (known === undefined) throw unknownModel(id);
      if (loading) throw new ApiError("conflict", "A model is being loaded already; try again later");
      await load(known).catch((error) => {
        throw new ApiError("model_not_loaded", messageOf(error), { cause: error });
      });
      return { model_loaded: engine.modelId !== null, model_version: engine.modelId };
    },

    async list() {
      const models = withServed(await source.list(), pathsById);
      return models.map((entry) => ({ ...entry, loaded: entry.id === engine.modelId }));
    },

    servedFile: () => fileOf(served),
  };
}

export interface HealthService {
  check(): Promise<HealthResponse>;
}

export interface HealthServiceOptions {
  models: Pick<ModelService, "state" | "backend">;
  engine: Pick<Engine, "occupancy">;
  /** Rejects unless the Deno KV store answers. */
  pingKv: () => Promise<unknown>;
  /** How many jobs wait. */
  queuedJobs: () => Promise<number>;
  proofs: Pick<AdapterProofs, "recent">;
}

/** Where Linux distributions, WSL and containers have the library of NVIDIA's driver. */
const DRIVER_FOLDERS = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  "/usr/lib/wsl/lib",
  "/run/opengl-driver/lib",
];

/**
 * A GPU that llama.cpp could compute on, in words; null where the system shows none. NVIDIA's are known by their
 * driver's library: Deno opens device files to programs with all permissions only.
 */
export async function findGpu(driverFolders: readonly string[] = DRIVER_FOLDERS): Promise<string | null> {
  if (Deno.build.os === "darwin") return Deno.build.arch === "aarch64" ? "the GPU of Apple silicon" : null;
  for (const folder of driverFolders) {
    const path = join(folder, "libcuda.so.1");
    if (await ifPresent(Deno.stat(path)) !== null) return `an NVIDIA driver (${path})`;
  }
  return null;
}

/** The device, with a warning where another one was expected. */
export function backendOf(
  { device }: Pick<Engine, "device">,
  expectedGpu: string | null,
): Backend | null {
  if (!device) return null;
  const warning = expectedGpu !== null && device.gpuLayers === 0
    ? `This machine has ${expectedGpu}, but the model runs on the CPU: see "GPU" in the README, or set GPU=off`
    : null;
  return { device: device.device, gpu_layers: device.gpuLayers, warning };
}

const STATUS_OF_MODEL = { loading: "loading", ready: "healthy", failed: "degraded" } as const;

/** Makes the service behind `/health`. */
export function createHealthService(options: HealthServiceOptions): HealthService {
  return {
    async check() {
      const { status, modelId, isLoaded, reason } = options.models.state;
      const kvConnected = await options.pingKv().then(() => true, () => false);
      const queuedJobs = await options.queuedJobs().catch(() => 0);
      return {
        status: kvConnected ? STATUS_OF_MODEL[status] : "degraded",
        model_loaded: isLoaded,
        model_version: modelId,
        redis_connected: kvConnected,
        kv_connected: kvConnected,
        queue_length: options.engine.occupancy.waiting + queuedJobs,
        adapters: options.proofs.recent(),
        backend: options.models.backend,
        ...(reason === undefined ? {} : { reason }),
      };
    },
  };
}

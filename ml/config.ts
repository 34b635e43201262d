/** The ml service's settings: names, defaults and checks. */
import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";
import {
  ConfigError,
  configFrom,
  type ConfigOf,
  defaultDataDir,
  httpUrl,
  isLoopback,
  logLevelSetting,
  oneOf,
  port,
  setting,
  type SettingsTable,
  text,
  wholeNumber,
} from "../lib/config.ts";
import { allowedHostsSetting } from "../lib/http/allowed_hosts.ts";
import type { OwnService } from "../lib/service/own_service.ts";
import { trustedProxiesSetting } from "../lib/http/trusted_proxies.ts";

export const SETTINGS = {
  host: setting({
    env: "ML_HOST",
    parse: text,
    fallback: "127.0.0.1",
    description: "Address to listen on; any but a loopback address needs ML_TOKEN",
  }),
  port: setting({ env: "ML_PORT", parse: port, fallback: 8100, description: "Port to listen on" }),
  token: setting<string | null>({
    env: "ML_TOKEN",
    parse: text,
    fallback: null,
    fallbackText: "none",
    description: "Token that every request but `GET /health` must carry",
    secret: true,
  }),
  dataDir: setting({
    env: "DATA_DIR",
    parse: text,
    fallback: defaultDataDir(),
    fallbackText: "./data (root: /var/lib/conversation-assistant)",
    description: "Folder of jobs, response cache, training jobs and adapters",
  }),
  modelsDir: setting<string | null>({
    env: "MODELS_DIR",
    parse: text,
    fallback: null,
    fallbackText: "`models` in DATA_DIR",
    description: "Folder of GGUF files",
  }),
  model: setting({
    env: "MODEL",
    parse: text,
    fallback: "auto",
    description: "A catalog id, the name of a file in MODELS_DIR, a path to a GGUF file, or `auto`: the " +
      "recommended model where memory allows and it is present or can be downloaded, else the small one",
  }),
  hubUrl: setting<string | null>({
    env: "HF_ENDPOINT",
    parse: httpUrl,
    fallback: null,
    fallbackText: "the public model hub",
    description: "Model hub, or a mirror of it",
  }),
  engine: setting<"llama" | "openai" | "ollama">({
    env: "ENGINE",
    parse: oneOf("llama", "openai", "ollama"),
    fallback: "llama",
    description:
      "What runs the model: llama.cpp in a process of its own, or an OpenAI-compatible server; `ollama` is " +
      "the one of this machine",
  }),
  engineUrl: setting<string | null>({
    env: "ENGINE_URL",
    parse: httpUrl,
    fallback: null,
    fallbackText: "none; for `ollama` http://127.0.0.1:11434/v1",
    description: "Address of the OpenAI-compatible server",
  }),
  engineToken: setting<string | null>({
    env: "ENGINE_TOKEN",
    parse: text,
    fallback: null,
    description: "Token that the OpenAI-compatible server asks for",
    secret: true,
  }),
  engineAdapters: setting<"off" | "vllm">({
    env: "ENGINE_ADAPTERS",
    parse: oneOf("off", "vllm"),
    fallback: "off",
    description:
      "Whether the OpenAI-compatible server serves adapters: `vllm` loads them by vLLM's run-time API; " +
      "docs/openai.md says how vLLM is started for that",
  }),
  engineBaseModel: setting<string | null>({
    env: "ENGINE_BASE_MODEL",
    parse: text,
    fallback: null,
    description:
      "With ENGINE_ADAPTERS=vllm, the model that vLLM serves as a GGUF file, named as MODEL names one: " +
      "trainings train on it, and adapters belong to it",
  }),
  engineAdaptersDir: setting<string | null>({
    env: "ENGINE_ADAPTERS_DIR",
    parse: text,
    fallback: null,
    description: "With ENGINE_ADAPTERS=vllm, the folder that adapters are written to for vLLM",
  }),
  engineAdaptersPath: setting<string | null>({
    env: "ENGINE_ADAPTERS_PATH",
    parse: text,
    fallback: null,
    fallbackText: "ENGINE_ADAPTERS_DIR",
    description: "The same folder as vLLM sees it, where it runs in a container or on another machine",
  }),
  gpu: setting<"auto" | "off">({
    env: "GPU",
    parse: oneOf("auto", "off"),
    fallback: "auto",
    description: "Whether llama.cpp may use a GPU",
  }),
  threads: setting<number | undefined>({
    env: "THREADS",
    parse: wholeNumber({ min: 1, max: 512 }),
    fallback: undefined,
    fallbackText: "one less than the cores",
    description: "Threads of llama.cpp; more than there are free cores make it much slower",
  }),
  sequences: setting({
    env: "SEQUENCES",
    parse: wholeNumber({ min: 1, max: 64 }),
    fallback: 4,
    description: "Replies generated at a time; each keeps a conversation's prompt for its next reply",
  }),
  contextSize: setting({
    env: "CONTEXT_SIZE",
    parse: wholeNumber({ min: 256, max: 1_048_576 }),
    fallback: 2_048,
    description: "Tokens of prompt and reply together",
  }),
  kvCache: setting<"f16" | "q8_0">({
    env: "KV_CACHE",
    parse: oneOf("f16", "q8_0"),
    fallback: "f16",
    description:
      "How llama.cpp keeps the keys and values of evaluated tokens; q8_0 takes about half of their memory, " +
      "rounds them, and is no faster",
  }),
  keepAlive: setting<number | null>({
    env: "KEEP_ALIVE",
    parse: wholeNumber({ min: 1, max: 1_000_000 }),
    fallback: null,
    fallbackText: "the model stays",
    description: "Seconds without a request after which the model's memory is given back; the next request " +
      "loads it again and waits for that",
  }),
  adapterContexts: setting({
    env: "ADAPTER_CONTEXTS",
    parse: wholeNumber({ min: 1, max: 64 }),
    fallback: 2,
    description: "Adapters kept in memory at a time; each takes about the size of its file",
  }),
  adaptersLimitMb: setting({
    env: "ADAPTERS_LIMIT_MB",
    parse: wholeNumber({ min: 1, max: 1_000_000 }),
    fallback: 2_048,
    description:
      "Disk space for trained adapters; when it is used up no more are trained, and none is deleted",
  }),
  textingAdapter: setting<"on" | "off">({
    env: "TEXTING_ADAPTER",
    parse: oneOf("on", "off"),
    fallback: "on",
    description:
      "Whether drafts of accounts without an adapter of their own are written with the one of many people's " +
      "texting that is shipped for the small model; it is left out with every other model",
  }),
  trainingStart: setting<"base" | "texting">({
    env: "TRAINING_START",
    parse: oneOf("base", "texting"),
    fallback: "texting",
    description: "What a training starts from: the model alone, or the texting adapter where that fits",
  }),
  trainingQueueLimitMb: setting({
    env: "TRAINING_QUEUE_LIMIT_MB",
    parse: wholeNumber({ min: 1, max: 1_000_000 }),
    fallback: 1_024,
    description:
      "Disk space for the samples of unfinished training jobs; when it is used up further jobs are refused",
  }),
  queueLimit: setting({
    env: "QUEUE_LIMIT",
    parse: wholeNumber({ min: 0, max: 100_000 }),
    fallback: 64,
    description: "Requests that may wait; further ones are answered with 503",
  }),
  allowedHosts: allowedHostsSetting,
  trustedProxies: trustedProxiesSetting,
  logLevel: logLevelSetting,
} satisfies SettingsTable;

export type MlConfig = Omit<ConfigOf<typeof SETTINGS>, "modelsDir" | "engine"> & {
  readonly modelsDir: string;
  readonly engine: "llama" | "openai";
};

/** What serving adapters on vLLM takes. */
export interface VllmConfig {
  baseModel: string;
  adaptersDir: string;
  remoteAdaptersDir: string;
}

/** The settings of adapters on vLLM; null where it serves none. */
export function vllmConfigOf(
  config: Pick<
    MlConfig,
    "engineAdapters" | "engineBaseModel" | "engineAdaptersDir" | "engineAdaptersPath"
  >,
): VllmConfig | null {
  const { engineAdapters, engineBaseModel: baseModel, engineAdaptersDir: adaptersDir } = config;
  if (engineAdapters === "off" || baseModel === null || adaptersDir === null) return null;
  return { baseModel, adaptersDir, remoteAdaptersDir: config.engineAdaptersPath ?? resolve(adaptersDir) };
}

/** Where Ollama listens unless its own settings say otherwise. */
const OLLAMA_URL = "http://127.0.0.1:11434/v1";

function faultsOf(config: ConfigOf<typeof SETTINGS>): string[] {
  const faults: string[] = [];
  if (config.host.includes("/")) {
    faults.push(`ML_HOST must be an address, not a URL: got ${JSON.stringify(config.host)}`);
  } else if (!isLoopback(config.host) && config.token === null) {
    faults.push(`ML_TOKEN must be set when ML_HOST opens the service to others: got ML_HOST ${config.host}`);
  }
  if (config.engine === "openai" && config.engineUrl === null) {
    faults.push("ENGINE_URL must be set when ENGINE is openai");
  }
  if (config.engineAdapters === "vllm") {
    if (config.engine !== "openai") faults.push("ENGINE must be openai when ENGINE_ADAPTERS is vllm");
    if (config.engineBaseModel === null) {
      faults.push("ENGINE_BASE_MODEL must be set when ENGINE_ADAPTERS is vllm");
    }
    if (config.engineAdaptersDir === null) {
      faults.push("ENGINE_ADAPTERS_DIR must be set when ENGINE_ADAPTERS is vllm");
    }
  }
  return faults;
}

/**
 * Reads the service's configuration from an environment.
 *
 * @throws ConfigError naming each variable that cannot be used
 */
export function mlConfigFrom(env: Record<string, string | undefined>): MlConfig {
  const config = configFrom(SETTINGS, env);
  const faults = faultsOf(config);
  if (faults.length > 0) throw new ConfigError(faults);
  const modelsDir = config.modelsDir ?? join(config.dataDir, "models");
  return config.engine === "ollama"
    ? { ...config, modelsDir, engine: "openai", engineUrl: config.engineUrl ?? OLLAMA_URL }
    : { ...config, modelsDir, engine: config.engine };
}

/** The service's configuration from the process's own environment. */
export function readMlConfig(): MlConfig {
  return mlConfigFrom(Deno.env.toObject());
}

/** The service that `service install` makes of this start's settings. @throws ConfigError for those that cannot be used */
export function mlService(): OwnService {
  const { dataDir } = readMlConfig();
  const checkout = { config: fileURLToPath(new URL("../deno.json", import.meta.url)) };
  return { part: "ml", settings: SETTINGS, environment: Deno.env.toObject(), dataDir, checkout };
}

/** The `Engine` interface: what the ml service asks of a language model, whatever runs it. */
import type { JsonSchema } from "../../contract/json_schema.ts";
import type { Timings } from "../../contract/generation.ts";
import { ApiError } from "../../lib/errors.ts";
import type { AdapterProof, ProbeFigures } from "./adapter_probe.ts";

/** A model to load. */
export interface ModelFile {
  /** Its name on the wire: `model_version`. */
  id: string;
  /** Path of its GGUF file; engines that talk to another server do not read it. */
  path: string;
}

/** A LoRA adapter in a GGUF file. */
export interface AdapterFile {
  id: string;
  path: string;
  /** In hex; a file of another one is damaged, and not served. */
  sha256: string;
  /** The model it was trained on, the only one it can be applied to. */
  baseModelId: string;
  /** What the trainer measured of it on the probe; null where nothing is stored. */
  probe: ProbeFigures | null;
}

export interface GenerationRequest {
  /** A transcript that ends in `Me:`, or any text. */
  prompt: string;
  maxTokens: number;
  /** 0 always takes the most probable token. */
  temperature: number;
  /** Keeps the most probable tokens that together reach this probability; 1 keeps all. */
  topP: number;
  /** Keeps this many of the most probable tokens; 0 keeps all. Default 40, as in llama.cpp. */
  topK?: number;
  /** Drops tokens below this share of the best token's probability. Default 0.05, as in llama.cpp. */
  minP?: number;
  /** Above 1 makes tokens of the last 64 generated ones less probable. */
  repeatPenalty: number;
  /** Subtracted from the logit of each token that was generated. Default 0. */
  presencePenalty?: number;
  /** Subtracted from a token's logit for each time that it was generated. Default 0. */
  frequencyPenalty?: number;
  /** Stop sequences: texts at which the reply ends, not part of it. */
  stop: readonly string[];
  /** Equal seeds and prompts give equal replies. Absent: random. */
  seed?: number;
  /** Whose request it is: those of one account take turns with the others'. */
  account?: string;
  /** Nobody waits at a screen for it: it runs after those for which somebody does. */
  background?: boolean;
  conversationId?: string;
  adapter?: AdapterFile;
  /** Holds the reply to JSON of this schema; the end of the reply's tokens may still cut it. */
  jsonSchema?: JsonSchema;
  /** Gives the prompt to the model verbatim, without a template. */
  raw?: boolean;
  /** Keeps white space at both ends of the reply to a prompt that is no transcript. */
  verbatim?: boolean;
}

export interface GenerationOptions {
  /** Ends the generation at the next token; `generate` then throws the signal's reason. */
  signal?: AbortSignal;
  /** Called with each new piece of the reply; the pieces, joined, are the reply. */
  onToken?: (piece: string) => void;
}

export interface Generation {
  /** The model that wrote it. */
  modelId: string;
  /** The adapter it used. */
  adapterId?: string;
  /** What the probe showed of that adapter in the context that answered. */
  adapterProof?: AdapterProof;
  text: string;
  /** Geometric mean probability of the reply's tokens before sampling changes, in [0, 1]; 0 when unknown. */
  confidence: number;
  /** Tokens generated, not counting the end-of-turn token. */
  tokensUsed: number;
  /** `length`: the reply was cut at `maxTokens` or at the end of the context. */
  finishReason: "stop" | "length";
  timings: Timings;
}

/** A prompt and the reply that was really given. */
export interface Sample {
  input: string;
  output: string;
}

/** How probable a reply is under the model: natural logarithm over its own tokens, without the end-of-turn token. */
export interface Likelihood {
  tokens: number;
  logLikelihood: number;
}

/** A sample as token ids. */
export interface TokenizedSample {
  prompt: number[];
  reply: number[];
}

/** How many requests an engine is running, and how many wait. */
export interface EngineOccupancy {
  running: number;
  waiting: number;
  /** How many requests run at a time. */
  capacity: number;
}

/** What a model is computed by. */
export interface EngineDevice {
  /** `cpu`, or llama.cpp's name of a GPU interface. */
  readonly device: string;
  readonly gpuLayers: number;
}

/** Why the model's memory is empty although it is served. */
export interface ModelAbsence {
  /** `idle`: given back; the next request loads it. `restarting`: it crashed. `failing`: it crashed again, or cannot be loaded. */
  kind: "idle" | "restarting" | "failing";
  /** A sentence for the person. */
  reason: string;
}

/** The model's process ended while it worked on a request, which may be the cause; it starts again by itself. */
export class EngineCrashError extends ApiError {
  constructor(options: { retryAfterSeconds: number }) {
    super("ml_unavailable", "The model's process ended while it worked on the request", options);
  }
}

export interface EvaluationRequest {
  samples: readonly Sample[];
  adapter?: AdapterFile;
}

/**
 * Runs a language model. Requests beyond its capacity wait in a bounded queue.
 *
 * Errors are `ApiError`s: `model_not_loaded` before `load` has succeeded and while it starts again after
 * a crash, {@linkcode EngineCrashError}, `queue_full`, `adapter_damaged`, `adapter_unproven`,
 * `conflict` for an adapter of another model or one that cannot be loaded, `validation_failed` for a raw prompt longer than the
 * context, `not_implemented`.
 */
export interface Engine extends AsyncDisposable {
  /** The id of the model that is served, which may be absent for a time; null before `load` has succeeded. */
  readonly modelId: string | null;
  /** Null while the model is in memory; engines without it never leave one that is served. */
  readonly absence?: ModelAbsence | null;
  readonly occupancy: EngineOccupancy;
  /** What the model was last loaded on; absent or null before that, and where the engine is elsewhere. */
  readonly device?: EngineDevice | null;
  /** Loads a model and swaps it in; requests in flight finish on the old one. Keeps the old one when it fails. */
  load(model: ModelFile): Promise<void>;
  generate(request: GenerationRequest, options?: GenerationOptions): Promise<Generation>;
  /** How probable the model finds each sample's reply. */
  evaluate(request: EvaluationRequest, options?: { signal?: AbortSignal }): Promise<Likelihood[]>;
  /**
   * Proves that an adapter changes the loaded model, as it did in training where that is stored. Rejects with a
   * ModelError that says why it cannot be served.
   */
  probeAdapter(adapter: AdapterFile): Promise<AdapterProof>;
  /** Unloads an adapter that is no longer served; requests in flight finish on it. */
  retireAdapter(adapterId: string): Promise<void>;
}

/** The messages between the service and the engine's process, and errors as they cross. */
import { ApiError, type ApiErrorOptions } from "../../../lib/errors.ts";
import type { ErrorCode } from "../../../contract/errors.ts";
import type { LogFields, LogLevel } from "../../../lib/log.ts";
import { ModelError } from "../../models/model_file.ts";
import type { AdapterProof } from "../adapter_probe.ts";
import type {
  AdapterFile,
  EngineDevice,
  EvaluationRequest,
  Generation,
  GenerationRequest,
  Likelihood,
  ModelFile,
} from "../engine.ts";
import type { LlamaEngineOptions } from "../llama/llama.ts";

/** A process's first argument, as JSON: it serves one model. */
export interface EngineSettings {
  model: ModelFile;
  engine: Omit<LlamaEngineOptions, "log">;
  logLevel: LogLevel;
}

/** What the process can be asked for; an adapter is retired by its id. */
export interface EngineCalls {
  generate: { input: GenerationRequest; result: Generation };
  evaluate: { input: EvaluationRequest; result: Likelihood[] };
  probeAdapter: { input: AdapterFile; result: AdapterProof };
  retireAdapter: { input: string; result: null };
}

/** A call of one of {@linkcode EngineCalls}; its number is in every message that concerns it. */
export type CallMessage = {
  [Name in keyof EngineCalls]: {
    type: "call";
    id: number;
    name: Name;
    input: EngineCalls[Name]["input"];
    /** Whether the caller wants each piece of a reply as it comes. */
    streams: boolean;
  };
}[keyof EngineCalls];

export type ToEngine = CallMessage | { type: "cancel"; id: number };

export type FromEngine =
  /** The model is loaded. */
  | { type: "ready"; device: EngineDevice | null }
  /** It cannot be: a sentence. */
  | { type: "failed"; reason: string }
  | { type: "log"; level: LogLevel; message: string; fields: LogFields }
  | { type: "token"; id: number; piece: string }
  | { type: "result"; id: number; result: unknown }
  | { type: "error"; id: number; error: WireError };

/** An error of the engine. */
export interface WireError extends Pick<ApiErrorOptions, "details" | "retryAfterSeconds"> {
  kind: "api" | "model" | "unexpected";
  message: string;
  /** Of an ApiError. */
  code?: ErrorCode;
  stack?: string;
}

/** An error as a message carries it. */
export function wireErrorOf(error: unknown): WireError {
  if (error instanceof ApiError) {
    const { message, code, details, retryAfterSeconds } = error;
    return { kind: "api", message, code, details, retryAfterSeconds };
  }
  if (!(error instanceof Error)) return { kind: "unexpected", message: String(error) };
  const { message, stack } = error;
  return { kind: error instanceof ModelError ? "model" : "unexpected", message, stack };
}

/** The error of a message. */
export function errorOfWire({ kind, message, code, stack, ...options }: WireError): Error {
  if (kind === "api" && code !== undefined) return new ApiError(code, message, options);
  if (kind === "model") return new ModelError(message);
  const error = new Error(message);
  // Where it happened is in the other process.
  error.stack = stack;
  return error;
}

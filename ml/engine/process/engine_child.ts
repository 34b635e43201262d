/** One engine process as the service sees it: its start, calls to it, and its end. */
import type { Logger } from "../../../lib/log.ts";
import { type Child, startChild } from "../../process/child_process.ts";
import { EngineCrashError, type EngineDevice } from "../engine.ts";
import {
  type CallMessage,
  type EngineCalls,
  type EngineSettings,
  errorOfWire,
  type FromEngine,
  type ToEngine,
} from "./engine_protocol.ts";

export interface CallOptions {
  /** Asks the process to end the call, which it does at the next token. */
  signal?: AbortSignal;
  onToken?: (piece: string) => void;
}

interface PendingCall extends Pick<CallOptions, "onToken"> {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** How soon callers may ask again after a crash: a small model is back by then. */
const RETRY_AFTER_SECONDS = 1;

function crashError(): EngineCrashError {
  return new EngineCrashError({ retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** A process with its model. Made by {@linkcode EngineChild.start}. */
export class EngineChild {
  readonly #child: Child<ToEngine>;
  readonly #log: Logger;
  readonly #calls = new Map<number, PendingCall>();
  readonly #ready = Promise.withResolvers<EngineDevice | null>();
  #device: EngineDevice | null = null;
  #lastId = 0;
  #hasEnded = false;
  /** How the process ended: see {@linkcode Child.ended}. */
  readonly ended: Promise<string>;

  private constructor(settings: EngineSettings, log: Logger) {
    this.#log = log;
    this.#child = startChild<FromEngine, ToEngine>({
      part: "engine",
      argument: JSON.stringify(settings),
      onMessage: (message) => this.#receive(message),
    });
    this.ended = this.#child.ended.then((how) => {
      const { path } = settings.model;
      this.#ready.reject(new Error(`The model file ${path} cannot be loaded: its process ended ${how}`));
      for (const { reject } of this.#calls.values()) {
        reject(crashError());
      }
      this.#calls.clear();
      this.#hasEnded = true;
      return how;
    });
  }

  /**
   * Starts a process and loads its model.
   *
   * @throws Error with a sentence when it cannot be loaded, a native crash included; the signal's reason
   */
  static async start(
    settings: EngineSettings,
    { log, signal }: { log: Logger; signal: AbortSignal },
  ): Promise<EngineChild> {
    signal.throwIfAborted();
    const child = new EngineChild(settings, log);
    const kill = () => child.kill();
    signal.addEventListener("abort", kill, { once: true });
    try {
      child.#device = await child.#ready.promise;
      return child;
    } catch (error) {
      await child.kill();
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", kill);
    }
  }

  /** What the model is computed by. */
  get device(): EngineDevice | null {
    return this.#device;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Calls the engine in the process.
   *
   * @throws what the engine throws; the signal's reason; EngineCrashError when the process ends first
   */
  async call<Name extends keyof EngineCalls>(
    name: Name,
    input: EngineCalls[Name]["input"],
    { signal, onToken }: CallOptions = {},
  ): Promise<EngineCalls[Name]["result"]> {
    if (this.#hasEnded) throw crashError();
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#calls.set(id, { resolve, reject, onToken });
    this.#child.send({ type: "call", id, name, input, streams: onToken !== undefined } as CallMessage);
    const cancel = () => this.#child.send({ type: "cancel", id });
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await promise as EngineCalls[Name]["result"];
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Ends the process and what is called on it. */
  async kill(): Promise<void> {
    this.#child.kill();
    await this.ended;
  }

  #receive(message: FromEngine): void {
    if (message.type === "ready") return this.#ready.resolve(message.device);
    if (message.type === "failed") return this.#ready.reject(new Error(message.reason));
    if (message.type === "log") return this.#log[message.level](message.message, message.fields);
    const call = this.#calls.get(message.id);
    if (message.type === "token") return call?.onToken?.(message.piece);
    this.#calls.delete(message.id);
    if (message.type === "result") call?.resolve(message.result);
    else call?.reject(errorOfWire(message.error));
  }
}

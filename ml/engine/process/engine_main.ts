/** Is the engine's process: loads one model and answers the service's calls until the service has gone. */
import { messageOf } from "../../../lib/errors.ts";
import { createLogger } from "../../../lib/log.ts";
import { followParent, sendToParent } from "../../process/parent.ts";
import type { Engine } from "../engine.ts";
import { createLlamaEngine } from "../llama/llama.ts";
import {
  type CallMessage,
  type EngineSettings,
  type FromEngine,
  type ToEngine,
  wireErrorOf,
} from "./engine_protocol.ts";

const send = (message: FromEngine) => sendToParent(message);

/** The lines of the engine's log go into the service's. */
function sendLogLine(line: string): void {
  const { time: _, level, message, ...fields } = JSON.parse(line);
  send({ type: "log", level, message, fields });
}

async function answer(engine: Engine, call: CallMessage, signal: AbortSignal): Promise<unknown> {
  switch (call.name) {
    case "generate":
      return await engine.generate(call.input, {
        signal,
        onToken: call.streams ? (piece) => send({ type: "token", id: call.id, piece }) : undefined,
      });
    case "evaluate":
      return await engine.evaluate(call.input, { signal });
    case "probeAdapter":
      return await engine.probeAdapter(call.input);
    case "retireAdapter":
      await engine.retireAdapter(call.input);
      return null;
  }
}

async function open({ model, engine: options, logLevel }: EngineSettings): Promise<Engine> {
  const log = createLogger({ level: logLevel, pretty: false, write: sendLogLine });
  const engine = await createLlamaEngine({ ...options, log });
  await engine.load(model);
  return engine;
}

/** Runs the engine. @param argument the {@linkcode EngineSettings} as JSON */
export async function main(argument: string): Promise<void> {
  const cancellations = new Map<number, AbortController>();
  const opening = open(JSON.parse(argument));
  void followParent<ToEngine>(async (message) => {
    const { id } = message;
    if (message.type === "cancel") return cancellations.get(id)?.abort();
    const cancellation = new AbortController();
    cancellations.set(id, cancellation);
    try {
      send({ type: "result", id, result: await answer(await opening, message, cancellation.signal) });
    } catch (error) {
      send({ type: "error", id, error: wireErrorOf(error) });
    } finally {
      cancellations.delete(id);
    }
  });
  await opening.then(({ device = null }) => send({ type: "ready", device }), (error) => {
    send({ type: "failed", reason: messageOf(error) });
  });
}

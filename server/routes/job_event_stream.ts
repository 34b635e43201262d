/** Owns a training job's course as server-sent events. */
import { type Context, streamSSE } from "../../deps.ts";
import { errorBodyOf, logFieldsOfError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { ServerEnv } from "../auth/caller.ts";
import type { TrainingEvent } from "../services/training_service.ts";

export interface JobEventStreamOptions {
  events: AsyncGenerator<TrainingEvent>;
  /** Ends the generator when the client goes away. */
  leave: () => void;
  log: Logger;
}

/** Proxies and clients take a stream that is silent for longer for dead. */
const KEEP_ALIVE_MS = 15_000;

/** Answers with `training:progress` events, each with the job; the stream ends with the job. */
export function streamJobEvents(
  c: Context<ServerEnv>,
  { events, leave, log }: JobEventStreamOptions,
): Response {
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    const keepAlive = setInterval(() => void stream.write(": keep-alive\n\n"), KEEP_ALIVE_MS);
    try {
      for await (const { id, job } of events) {
        const event = { event: "training:progress", data: JSON.stringify({ job }) };
        await stream.writeSSE(id === null ? event : { id, ...event });
      }
    } catch (error) {
      log.error("a stream of training events broke", logFieldsOfError(error));
      const body = errorBodyOf(error, c.get("requestId"));
      await stream.writeSSE({ event: "error", data: JSON.stringify(body) });
    } finally {
      clearInterval(keepAlive);
    }
  });
}

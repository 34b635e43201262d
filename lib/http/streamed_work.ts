/** Streams a text that is being generated: its pieces as they come, and its end when the reader leaves. */
import { type Context, streamSSE } from "../../deps.ts";
import { pushStream } from "../async.ts";
import { ApiError, errorBodyOf, logFieldsOfError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ApiEnv } from "./app.ts";

/** A generation that has its first piece, or has ended. */
export interface StartedGeneration<Piece, Result> {
  pieces: AsyncIterable<Piece>;
  /** Rejects when the generation fails after its first piece. */
  result: Promise<Result>;
  /** Aborts when the reader has left. */
  signal: AbortSignal;
  /** Ends the generation: nobody reads it any more. */
  leave(): void;
}

/** Runs a generation that hands out pieces. */
export type StreamedWork<Piece, Result> = (
  options: { signal: AbortSignal; onPiece: (piece: Piece) => void },
) => Promise<Result>;

/**
 * Starts a generation and waits for its first piece.
 *
 * @throws what the generation throws before it: an ordinary error with its status
 */
export async function startGeneration<Piece, Result, Env extends ApiEnv = ApiEnv>(
  c: Context<Env>,
  generate: StreamedWork<Piece, Result>,
): Promise<StartedGeneration<Piece, Result>> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, leaving.signal]);
  const { push, end, stream } = pushStream<Piece>();
  const result = generate({ signal, onPiece: push }).finally(end);
  result.catch(() => {});
  const reader = stream.getReader();
  const first = await reader.read();
  if (first.done) await result;
  async function* pieces(): AsyncGenerator<Piece> {
    for (let next = first; !next.done; next = await reader.read()) yield next.value;
  }
  return { pieces: pieces(), result, signal, leave: () => leaving.abort() };
}

/** A client that has gone reads no answer, and the log should show no failure. */
export function unlessAborted(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? new ApiError("cancelled", "The client ended the request", { cause: error }) : error;
}

export interface GenerationStreamOptions<Result> {
  generate: StreamedWork<string, Result>;
  /** The name of the last event, which carries the result. */
  lastEvent: string;
  log: Logger;
}

/**
 * Answers with server-sent events: `token` with `{ text }` for each piece, then the last event with the result, or `error`.
 *
 * The response starts with the first piece: what fails before it is an ordinary error with its status.
 */
export async function streamGeneration<Result, Env extends ApiEnv>(
  c: Context<Env>,
  { generate, lastEvent, log }: GenerationStreamOptions<Result>,
): Promise<Response> {
  const { pieces, result, signal, leave } = await startGeneration(c, generate);
  return streamSSE(c, async (stream) => {
    stream.onAbort(leave);
    for await (const text of pieces) {
      await stream.writeSSE({ event: "token", data: JSON.stringify({ text }) });
    }
    const ending = await result.then(
      (answer) => ({ event: lastEvent, data: JSON.stringify(answer) }),
      (error: unknown) => {
        if (!signal.aborted) log.error("generation failed", logFieldsOfError(error));
        return { event: "error", data: JSON.stringify(errorBodyOf(error, c.get("requestId"))) };
      },
    );
    await stream.writeSSE(ending);
  });
}

/** Whether a request asks for events. */
export function asksForEvents(c: Context): boolean {
  return c.req.header("accept")?.includes("text/event-stream") ?? false;
}

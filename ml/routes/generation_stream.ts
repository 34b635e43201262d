/** Starts a generation for a streamed answer: its pieces as they come, and its end when the reader leaves. */
import type { Context } from "../../deps.ts";
import { pushStream } from "../../lib/async.ts";
import { ApiError } from "../../lib/errors.ts";
import type { ApiEnv } from "../../lib/http/app.ts";

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
export async function startGeneration<Piece, Result>(
  c: Context<ApiEnv>,
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

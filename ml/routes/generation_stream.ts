/** Owns a reply as server-sent events: `token` while it grows, `done` with the whole answer, `error` when it breaks. */
import type { GenerateRequest, GenerateResult } from "../../contract/ml.ts";
import { type Context, streamSSE } from "../../deps.ts";
import { pushStream } from "../../lib/async.ts";
import { errorBodyOf, logFieldsOfError } from "../../lib/errors.ts";
import type { ApiEnv } from "../../lib/http/app.ts";
import type { Logger } from "../../lib/log.ts";
import type { GenerationService } from "../services/generation_service.ts";

export interface GenerationStreamOptions {
  request: GenerateRequest;
  generation: GenerationService;
  log: Logger;
}

/**
 * Answers with events.
 *
 * The answer begins with the first piece: what fails before it is an ordinary error with its status.
 */
export async function streamGeneration(
  c: Context<ApiEnv>,
  { request, generation, log }: GenerationStreamOptions,
): Promise<Response> {
  const leaving = new AbortController();
  const signal = AbortSignal.any([c.req.raw.signal, leaving.signal]);
  const { push, end, stream: pieces } = pushStream<string>();
  const result = generation.generate(request, { signal, onToken: push }).finally(end);
  result.catch(() => {});
  const reader = pieces.getReader();
  let next = await reader.read();
  if (next.done) await result;

  return streamSSE(c, async (stream) => {
    stream.onAbort(() => leaving.abort());
    for (; !next.done; next = await reader.read()) {
      await stream.writeSSE({ event: "token", data: JSON.stringify({ text: next.value }) });
    }
    const ending = await result.then(
      (answer: GenerateResult) => ({ event: "done", data: JSON.stringify(answer) }),
      (error: unknown) => {
        if (!signal.aborted) log.error("generation failed", logFieldsOfError(error));
        return { event: "error", data: JSON.stringify(errorBodyOf(error, c.get("requestId"))) };
      },
    );
    await stream.writeSSE(ending);
  });
}

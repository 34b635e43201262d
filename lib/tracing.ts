/**
 * OpenTelemetry spans of requests, store and ml calls, and jobs. They go where Deno's built-in support sends them: with
 * `OTEL_DENO=true` to a collector, else nowhere. Names are made of routes and methods; attributes are ids and counts.
 *
 * Deno 2.9.6 offers version 1.9.0 of the API, and a later minor version of the package would not take it.
 */
import type { ServerResponse } from "node:http";
import { context, type Span, type SpanOptions, SpanStatusCode, trace } from "@opentelemetry/api";
import { logFieldsOfError } from "./errors.ts";

const tracer = trace.getTracer("conversation-assistant");

/** Notes the kind of an error alone: its message may hold what a person wrote. */
function noteError(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute("error.type", logFieldsOfError(error).errorName);
}

/** Ends a span with the work that it is of. */
async function endWith<Result>(span: Span, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    noteError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Ends a span when nothing more is read of the stream that it is of. */
async function* endWithStream<Value>(span: Span, values: AsyncIterable<Value>): AsyncGenerator<Value> {
  try {
    yield* values;
  } catch (error) {
    noteError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Runs work with a span as the one that further spans belong to. */
function runIn<Result>(span: Span, work: () => Result): Result {
  return context.with(trace.setSpan(context.active(), span), work);
}

/** Runs work in a span. */
export function withSpan<Result>(
  name: string,
  work: () => Promise<Result>,
  options: SpanOptions = {},
): Promise<Result> {
  const span = tracer.startSpan(name, options);
  return endWith(span, runIn(span, work));
}

/** The same methods, each call in a span `prefix.method`. They return promises or async generators and need no `this`. */
export function traceMethods<Methods extends object>(prefix: string, methods: Methods): Methods {
  const traced = Object.entries(methods).map(([method, call]) => {
    const run = (...values: unknown[]) => {
      const span = tracer.startSpan(`${prefix}.${method}`);
      const result = runIn(span, () => call(...values));
      return Symbol.asyncIterator in result ? endWithStream(span, result) : endWith(span, result);
    };
    return [method, run];
  });
  return Object.fromEntries(traced);
}

/**
 * Answers a request of `node:http` within the span that Deno has made for it. Deno makes that span the active one for
 * handlers of `Deno.serve` only; for those of `node:http` it keeps it at the response, under a symbol of its own.
 */
export function withRequestSpan<Result>(outgoing: ServerResponse, work: () => Result): Result {
  const symbol = Object.getOwnPropertySymbols(outgoing).find(({ description }) =>
    description === "kOtelSpan"
  );
  const span = symbol && (outgoing as unknown as Record<symbol, Span | undefined>)[symbol];
  return span ? runIn(span, work) : work();
}

/** Names the span of the request being answered by its route's pattern. */
export function nameRequestSpan({ method, route }: { method: string; route: string }): void {
  trace.getActiveSpan()?.updateName(`${method} ${route}`).setAttribute("http.route", route);
}

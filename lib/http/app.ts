/** What the HTTP apps of server and ml share: request ids, limits, validation errors, and the one error handler. */
import { z } from "zod";
import {
  type Context,
  createRoute,
  HTTPException,
  OpenAPIHono,
  requestId,
  type RequestIdVariables,
  secureHeaders,
} from "../../deps.ts";
import { type ErrorBody, errorBodySchema, type Fault } from "../../contract/errors.ts";
import { ApiError, errorBodyOf, invalidRequest, logFieldsOfError, phraseOfStatus } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type AllowedHosts, allowedHosts, guardOrigin } from "./allowed_hosts.ts";
import { ALLOWED_METHODS, methodNotAllowed } from "./node_bridge.ts";

/** What every request's context carries. */
export type ApiEnv = { Variables: RequestIdVariables };

type RouteConfig = Parameters<typeof createRoute>[0];

/** The Hono app that routes are written on: a failed validation becomes an `ApiError` with its paths. */
export function createRoutes<Env extends ApiEnv = ApiEnv>(): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({
    defaultHook: (result) => {
      if (!result.success) throw validationError(result.error.issues);
    },
  });
}

/** A 400 with the path of each fault. */
function validationError(issues: readonly z.core.$ZodIssue[]): ApiError {
  const details: Fault[] = issues.slice(0, 50).map((issue) => ({
    path: issue.path.map(String).join("."),
    message: issue.message,
  }));
  return invalidRequest(details);
}

/**
 * Lets the routes' validator, which knows `safeParseAsync` only, parse at once: zod runs its compiled parser in
 * synchronous parses alone, at half the time for a batch of messages. A schema that must wait would throw.
 */
function parseAtOnce(schema: z.ZodType): void {
  schema.safeParseAsync = (value, parameters) => Promise.resolve(schema.safeParse(value, parameters));
}

/** The `request.body` of a route that takes JSON. */
export function jsonBody<Schema extends z.ZodType>(schema: Schema): {
  required: true;
  content: { "application/json": { schema: Schema } };
} {
  parseAtOnce(schema);
  return { required: true, content: { "application/json": { schema } } };
}

/** One documented JSON answer. */
export function jsonResponse<Schema extends z.ZodType>(schema: Schema, description: string): {
  description: string;
  content: { "application/json": { schema: Schema } };
} {
  return { description, content: { "application/json": { schema } } };
}

/**
 * The documented content of server-sent events. The schema is that of one event as its reader sees it.
 *
 * @param names what the events are called, without `error`; none: events without a name
 * @param options.data the component that the JSON of an event's data is, where all but `error` are the same
 */
export function eventStreamContent(names: readonly string[], options: { data?: z.ZodType } = {}) {
  const id = options.data?.meta()?.id;
  const data = z.string().meta(
    id === undefined
      ? {}
      : { contentMediaType: "application/json", contentSchema: { $ref: `#/components/schemas/${id}` } },
  );
  const name = z.enum([...names, "error"]);
  const schema = names.length === 0
    ? z.object({ data })
    : z.object({ event: name, data, id: z.string().optional() });
  return { "text/event-stream": { schema } };
}

/** A path of `contract/paths.ts` as OpenAPI writes it: `/api/things/:id` becomes `/api/things/{id}`. */
export function documentedPath(path: string): string {
  return path.replace(/:(\w+)/g, "{$1}");
}

/** The documented errors of a route, by status. */
export function errorResponses(...statusCodes: number[]): RouteConfig["responses"] {
  return Object.fromEntries(
    statusCodes.map((status) => [status, jsonResponse(errorBodySchema, phraseOfStatus(status))]),
  );
}

/** The errors that any route with a token may answer, and those of what the request carries. */
function usualErrorsOf(request: RouteConfig["request"]): number[] {
  return [
    ...(request?.body || request?.params || request?.query ? [400] : []),
    401,
    403,
    ...(request?.params ? [404] : []),
    ...(request?.body ? [408, 413] : []),
    503,
  ];
}

/** A route that needs a device's token. `errors` are documented besides those that its request may always meet. */
export function tokenRoute<
  Method extends RouteConfig["method"],
  Config extends Omit<RouteConfig, "method" | "path">,
>(
  method: Method,
  path: string,
  { errors = [], ...config }: Config & { errors?: readonly number[] },
) {
  const responses = { ...config.responses, ...errorResponses(...usualErrorsOf(config.request), ...errors) };
  const security = [{ bearer: [] }];
  const route = { ...config, method, path: documentedPath(path), security, responses };
  return createRoute(route as unknown as Config & { method: Method; path: string });
}

/** Hono's own faults (malformed JSON, wrong content type) as errors of the contract. */
function apiErrorOf(error: unknown): unknown {
  if (!(error instanceof HTTPException)) return error;
  if (error.status === 415) {
    return new ApiError(
      "unsupported_media_type",
      "The request body must have the content type application/json",
      {
        details: [{ path: "", message: "must be sent as application/json" }],
      },
    );
  }
  if (error.status === 400) {
    return new ApiError("malformed_json", "The request body is not valid JSON", {
      details: [{ path: "", message: "must be valid JSON" }],
    });
  }
  return error;
}

/** Answers an error in the shape of the path that it happened at. */
function answerError(c: Context<ApiEnv>, error: unknown, options: ApiAppOptions): Response {
  const known = apiErrorOf(options.translateError?.(error) ?? error);
  const body = errorBodyOf(known, c.get("requestId"));
  if (body.statusCode >= 500 && body.code === "internal") {
    options.log.error("request failed", {
      requestId: body.requestId,
      method: c.req.method,
      ...logFieldsOfError(known),
    });
  }
  if (known instanceof ApiError && known.retryAfterSeconds !== undefined) {
    c.header("Retry-After", String(Math.ceil(known.retryAfterSeconds)));
  }
  const shown = options.errorAnswerOf?.(body, c.req.path) ?? body;
  return c.body(JSON.stringify(shown), body.statusCode as 500, { "content-type": "application/json" });
}

export interface ApiAppOptions {
  log: Logger;
  /** The names that the service answers to. Default: those of this machine's loopback. */
  hosts?: AllowedHosts;
  /** Turns an unexpected error into one of the contract; what it does not know it returns as it is. */
  translateError?: (error: unknown) => unknown;
  /** Another shape of an error for clients of another API; undefined: the contract's own. */
  errorAnswerOf?: (body: ErrorBody, path: string) => unknown;
}

/** The methods of the routes at a path: those that more answers than the middleware, which answers any. */
function methodsAt(app: OpenAPIHono<ApiEnv>, path: string): string[] {
  const handlersOf = (method: string) => app.router.match(method, path)[0].length;
  const middleware = handlersOf("NONE");
  // Hono answers HEAD where there is GET.
  return ALLOWED_METHODS.filter((method) => handlersOf(method === "HEAD" ? "GET" : method) > middleware);
}

/** The outermost app of a service. Routes are mounted on it; every error of theirs ends in its one handler. */
export function createApiApp<Env extends ApiEnv = ApiEnv>(options: ApiAppOptions): OpenAPIHono<Env> {
  const app = createRoutes<Env>();
  const hosts = options.hosts ?? allowedHosts({ host: "127.0.0.1", names: [] });
  app.use(requestId());
  // HSTS belongs behind TLS only: `guardOrigin` adds it there.
  app.use(secureHeaders({ strictTransportSecurity: false }));
  app.use(guardOrigin(hosts));
  app.notFound((c) => {
    const methods = methodsAt(app as unknown as OpenAPIHono<ApiEnv>, c.req.path);
    if (methods.length > 0) c.header("Allow", methods.join(", "));
    const error = methods.length > 0
      ? methodNotAllowed()
      : new ApiError("not_found", "There is nothing at this path");
    return answerError(c as unknown as Context<ApiEnv>, error, options);
  });
  app.onError((error, c) => answerError(c as unknown as Context<ApiEnv>, error, options));
  return app;
}

/** The token of an `Authorization: Bearer` header, or null. */
export function bearerTokenOf(c: Context): string | null {
  return /^Bearer ([^\s]+)$/i.exec(c.req.header("authorization") ?? "")?.[1] ?? null;
}

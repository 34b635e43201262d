/** A service's API documentation: the OpenAPI document, and a page for it that loads nothing from elsewhere. */
import { join } from "node:path";
import swaggerUiPath from "swagger-ui-dist/absolute-path.js";
import { API_EXAMPLES } from "../../contract/examples.ts";
import type { OpenAPIHono } from "../../deps.ts";
import { phraseOfStatus } from "../errors.ts";
import { type ApiEnv, documentedPath } from "./app.ts";

export interface ApiInfo {
  title: string;
  version: string;
  description: string;
}

/** The files of Swagger UI that the page needs, with their content types. */
const ASSETS: Record<string, string> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
};

function pageOf(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true });</script>
</body>
</html>
`;
}

/** The paths of the documentation, which a browser reads without a token: it is entered on the page. */
export const DOCS_PATHS: readonly string[] = [
  "/openapi.json",
  "/docs",
  ...Object.keys(ASSETS).map((name) => `/docs/${name}`),
];

export interface DocsOptions {
  /** Every path of the service by its name in `contract/paths.ts`: what operations are called after. */
  paths?: Readonly<Record<string, string>>;
  /** Paths of operations that need no token. */
  openPaths?: readonly string[];
  /** The cookie that does for a token. */
  sessionCookie?: string;
  /** The header in which a client of `/api` may name its version of the wire. */
  versionHeader?: string;
}

interface Operation {
  operationId?: string;
  tags?: string[];
  requestBody?: unknown;
  parameters?: unknown[];
  security?: unknown[];
  responses: Record<string, unknown>;
}

/** What any operation may answer, besides what its route says. */
function usualStatusesOf(method: string, { requestBody }: Operation): number[] {
  const changes = method !== "get";
  return [421, ...(changes ? [403] : []), ...(requestBody === undefined ? [] : [400, 408, 413, 503])];
}

function refusalOf(status: number) {
  const schema = { $ref: "#/components/schemas/Error" };
  return { description: phraseOfStatus(status), content: { "application/json": { schema } } };
}

/** Adds the version that a client may name, and what one that is not spoken is answered. */
function takeVersion(operation: Operation, header: string): void {
  const schema = { type: "integer", minimum: 0 };
  const description =
    "The client's version of the wire; 426 where the server does not speak it, and no check without it";
  const parameter = { name: header, in: "header", required: false, schema, description };
  operation.parameters = [...operation.parameters ?? [], parameter];
  for (const status of [400, 426]) operation.responses[status] ??= refusalOf(status);
}

/** What a path is about: its first word, behind `/api` where it has that. */
function tagOf(path: string): string {
  return path.split("/").find((word) => word !== "" && word !== "api") ?? "service";
}

/** The method and the path's name: `GET /api/conversations/:id`, whose path is `conversation`, is `getConversation`. */
function operationIds(paths: Readonly<Record<string, string>>): (method: string, path: string) => string {
  const names = new Map(Object.entries(paths).map(([name, path]) => [documentedPath(path), name]));
  return (method, path) => {
    const name = names.get(path) ?? path.replaceAll(/\W+/g, "_");
    return method + name.charAt(0).toUpperCase() + name.slice(1);
  };
}

/** Gives schemas the examples that there are for them. */
function addExamples(schemas: Record<string, object> = {}): void {
  for (const [name, schema] of Object.entries(schemas)) {
    if (Object.hasOwn(API_EXAMPLES, name)) Object.assign(schema, { examples: [API_EXAMPLES[name]] });
  }
}

/** Completes a document: examples, each operation's name, tag and usual refusals, and the token of those that need one. */
function completed<Document extends { paths?: object; components?: { schemas?: Record<string, object> } }>(
  document: Document,
  { openPaths = [], sessionCookie, versionHeader, paths = {} }: DocsOptions,
): Document {
  addExamples(document.components?.schemas);
  const operationIdOf = operationIds(paths);
  const credentials = [{ bearer: [] }, ...(sessionCookie === undefined ? [] : [{ session: [] }])];
  for (const [path, methods] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(methods as Record<string, Operation>)) {
      operation.operationId ??= operationIdOf(method, path);
      operation.tags ??= [tagOf(path)];
      for (const status of usualStatusesOf(method, operation)) {
        operation.responses[status] ??= refusalOf(status);
      }
      if (versionHeader !== undefined && path.startsWith("/api/")) takeVersion(operation, versionHeader);
      if (openPaths.includes(path)) continue;
      if (operation.security === undefined || operation.security.length > 0) operation.security = credentials;
      operation.responses[401] ??= refusalOf(401);
    }
  }
  return document;
}

/**
 * Serves the OpenAPI document at `/openapi.json` and a page that shows it at `/docs`.
 */
export function mountDocs<Env extends ApiEnv>(
  app: OpenAPIHono<Env>,
  { openPaths, sessionCookie, versionHeader, paths, ...info }: ApiInfo & DocsOptions,
): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  if (sessionCookie !== undefined) {
    app.openAPIRegistry.registerComponent("securitySchemes", "session", {
      type: "apiKey",
      in: "cookie",
      name: sessionCookie,
      description: "Of a browser that is signed in; what changes something needs the header `Origin` as well",
    });
  }
  app.get("/openapi.json", (c) => {
    const servers = [{ url: "/", description: "Where this document comes from" }];
    const document = app.getOpenAPI31Document({ openapi: "3.1.0", info: { ...info }, servers });
    return c.json(completed(document, { openPaths, sessionCookie, versionHeader, paths }));
  });
  app.get("/docs", (c) => c.html(pageOf(info.title)));
  for (const [name, contentType] of Object.entries(ASSETS)) {
    app.get(`/docs/${name}`, async (c) => {
      const bytes = await Deno.readFile(join(swaggerUiPath(), name));
      return c.body(bytes, 200, { "content-type": contentType, "cache-control": "max-age=3600" });
    });
  }
}

/** A service's API documentation: the OpenAPI document, and a page for it that loads nothing from elsewhere. */
import { join } from "node:path";
import swaggerUiPath from "swagger-ui-dist/absolute-path.js";
import type { OpenAPIHono } from "../../deps.ts";
import type { ApiEnv } from "./app.ts";

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

/** Serves the OpenAPI document at `/openapi.json` and a page that shows it at `/docs`. */
export function mountDocs<Env extends ApiEnv>(app: OpenAPIHono<Env>, info: ApiInfo): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", { openapi: "3.1.0", info: { ...info } });
  app.get("/docs", (c) => c.html(pageOf(info.title)));
  for (const [name, contentType] of Object.entries(ASSETS)) {
    app.get(`/docs/${name}`, async (c) => {
      const bytes = await Deno.readFile(join(swaggerUiPath(), name));
      return c.body(bytes, 200, { "content-type": contentType, "cache-control": "max-age=3600" });
    });
  }
}

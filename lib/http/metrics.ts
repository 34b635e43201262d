/** Owns what a service measures of its own HTTP side, and the endpoint that shows all its metrics. */
import { type Context, createMiddleware, type OpenAPIHono, routePath } from "../../deps.ts";
import type { ApiEnv } from "./app.ts";
import { type Metrics, METRICS_CONTENT_TYPE } from "../metrics.ts";

/** The pattern of the route that answered, so that ids in paths make no series of their own. */
function routeLabelOf(c: Context): string {
  const pattern = routePath(c, -1);
  return pattern.endsWith("*") ? "unmatched" : pattern;
}

/** Counts requests by route and status and observes their durations. */
export function measureRequests(metrics: Metrics) {
  const requests = metrics.counter("http_requests_total", "Answered HTTP requests");
  const durations = metrics.histogram("http_request_duration_seconds", "Time from request to answer");
  return createMiddleware<ApiEnv>(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const route = routeLabelOf(c);
    requests.add({ method: c.req.method, route, status: String(c.res.status) });
    durations.observe((performance.now() - startedAt) / 1_000, { route });
  });
}

/** Shows all metrics of the service at a path, without authentication: they carry counts only. */
export function mountMetrics<Env extends ApiEnv>(
  app: OpenAPIHono<Env>,
  options: { path: string; metrics: Metrics },
): void {
  app.get(options.path, async (c) => {
    return c.body(await options.metrics.render(), 200, { "content-type": METRICS_CONTENT_TYPE });
  });
}

/** The metrics of a service on prom-client: its own, those of its requests and its process, and the endpoint for them. */
import process from "node:process";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { type Context, createMiddleware, type OpenAPIHono, routePath } from "../deps.ts";
import type { ApiEnv } from "./http/app.ts";
import { nameRequestSpan } from "./tracing.ts";
import { VERSION } from "./version.ts";

/** Begins the name of every metric of the product; those of the process have Prometheus' own names. */
const PREFIX = "assistant_";

/** Upper bounds of latency buckets, in seconds: from a cached answer to a long draft. */
const LATENCY_BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** A client may send any word as its method; each would be a series of its own. */
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

export type { Counter };

/** One value of a gauge, with the labels of its series. */
export interface GaugeValue<Label extends string = never> {
  labels?: Record<Label, string>;
  value: number;
}

/**
 * The metrics of one service. Their names get the product's prefix. Label values are never ids, names or text: each
 * distinct combination is kept for the life of the process.
 */
export interface Metrics {
  counter<Label extends string>(
    name: string,
    help: string,
    options: { labels: readonly Label[] },
  ): Counter<Label>;
  /** Observes durations in seconds. */
  durations<Label extends string>(
    name: string,
    help: string,
    options: { labels: readonly Label[] },
  ): Histogram<Label>;
  /** A gauge is read when the metrics are; one that cannot be read is left out of that answer. */
  gauge<Label extends string = never>(
    name: string,
    help: string,
    options: { labels?: readonly Label[]; read: () => Promise<GaugeValue<Label>[]> | GaugeValue<Label>[] },
  ): void;
  /** All metrics as Prometheus text. */
  render(): Promise<string>;
  readonly contentType: string;
}

/**
 * Measures the process. prom-client's own collectors would need every permission to read /proc, showing 0 without it,
 * and would keep a timer for the event loop.
 */
function measureProcess(registers: Registry[]): void {
  new Gauge({
    name: "process_start_time_seconds",
    help: "Start time of the process since unix epoch in seconds.",
    registers,
  }).set(Math.round(Date.now() / 1_000 - process.uptime()));
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory size in bytes.",
    registers,
    collect() {
      this.set(Deno.memoryUsage().rss);
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Total user and system CPU time spent in seconds.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}

/** Makes an empty registry; each service has one. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  measureProcess(registers);
  new Gauge({
    name: `${PREFIX}build_info`,
    help: "Always 1; the label says which version runs",
    labelNames: ["version"],
    registers,
  }).set({ version: VERSION }, 1);

  return {
    counter: (name, help, { labels }) =>
      new Counter({ name: PREFIX + name, help, labelNames: labels, registers }),
    durations: (name, help, { labels }) =>
      new Histogram({
        name: PREFIX + name,
        help,
        labelNames: labels,
        buckets: LATENCY_BUCKETS_SECONDS,
        registers,
      }),
    gauge(name, help, { labels = [], read }) {
      new Gauge({
        name: PREFIX + name,
        help,
        labelNames: labels,
        registers,
        async collect() {
          const values = await Promise.resolve().then(read).catch(() => []);
          this.reset();
          // Without labels a reset gauge shows 0.
          if (labels.length === 0) this.remove();
          for (const { labels: labelValues, value } of values) this.set(labelValues ?? {}, value);
        },
      });
    },
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** The pattern of the route that answered, so that ids in paths make no series of their own. */
function routeLabelOf(c: Context): string {
  const pattern = routePath(c, -1);
  return pattern.endsWith("*") ? "unmatched" : pattern;
}

/** Counts requests by method, route and status, observes their durations, and names their spans. */
export function measureRequests(metrics: Metrics) {
  const requests = metrics.counter("http_requests_total", "Answered HTTP requests", {
    labels: ["method", "route", "status"],
  });
  const durations = metrics.durations("http_request_duration_seconds", "Time from request to answer", {
    labels: ["method", "route"],
  });
  return createMiddleware<ApiEnv>(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const method = METHODS.has(c.req.method) ? c.req.method : "other";
    const route = routeLabelOf(c);
    nameRequestSpan({ method, route });
    requests.inc({ method, route, status: String(c.res.status) });
    durations.observe({ method, route }, (performance.now() - startedAt) / 1_000);
  });
}

/** Shows all metrics of the service at a path, without authentication: they carry counts only. */
export function mountMetrics<Env extends ApiEnv>(
  app: OpenAPIHono<Env>,
  options: { path: string; metrics: Metrics },
): void {
  const { path, metrics } = options;
  app.get(path, async (c) => c.body(await metrics.render(), 200, { "content-type": metrics.contentType }));
}

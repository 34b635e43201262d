/** Tests of the metrics against the Prometheus text format, read back by a small parser. */
import assert from "node:assert/strict";
import { Hono } from "../deps.ts";
import { createMetrics, measureRequests, type Metrics } from "./metrics.ts";
import { VERSION } from "./version.ts";

/** Reads an exposition as a map from series to value; throws on a line of unknown shape. */
async function seriesOf(metrics: Metrics): Promise<Map<string, number>> {
  const series = new Map<string, number>();
  for (const line of (await metrics.render()).split("\n")) {
    if (line === "" || /^# (HELP|TYPE) [a-z_]+ .+$/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (\S+)$/.exec(line);
    assert.ok(match?.[1] !== undefined, `unreadable line: ${line}`);
    series.set(match[1], Number(match[2]));
  }
  return series;
}

Deno.test("a counter adds up each of its series", async () => {
  const metrics = createMetrics();
  const counter = metrics.counter("requests_total", "Requests", { labels: ["route"] });
  counter.inc({ route: "/a" });
  counter.inc({ route: "/a" }, 2);
  counter.inc({ route: "/b" });
  const series = await seriesOf(metrics);
  assert.equal(series.get('assistant_requests_total{route="/a"}'), 3);
  assert.equal(series.get('assistant_requests_total{route="/b"}'), 1);
});

Deno.test("a histogram's buckets are cumulative and count a value on a bound into it", async () => {
  const metrics = createMetrics();
  const durations = metrics.durations("wait_seconds", "Waits", { labels: ["route"] });
  for (const value of [0.05, 0.1, 0.5, 700]) durations.observe({ route: "/a" }, value);
  const series = await seriesOf(metrics);
  assert.equal(series.get('assistant_wait_seconds_bucket{le="0.1",route="/a"}'), 2);
  assert.equal(series.get('assistant_wait_seconds_bucket{le="1",route="/a"}'), 3);
  assert.equal(series.get('assistant_wait_seconds_bucket{le="+Inf",route="/a"}'), 4);
  assert.equal(series.get('assistant_wait_seconds_count{route="/a"}'), 4);
  assert.equal(series.get('assistant_wait_seconds_sum{route="/a"}'), 700.65);
});

Deno.test("a gauge is read at each render, and one that fails hides no other metric", async () => {
  const metrics = createMetrics();
  let states = { queued: 1, running: 1 } as Record<string, number>;
  const read = () => Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
  metrics.gauge("queue_depth", "Depth", { labels: ["state"], read });
  metrics.gauge("model_loaded", "Loaded", { read: () => [{ value: 1 }] });
  metrics.gauge("broken", "Fails", { read: () => Promise.reject(new Error("down")) });
  metrics.counter("ticks_total", "Ticks", { labels: ["kind"] }).inc({ kind: "a" });
  await metrics.render();
  states = { queued: 5 };
  const series = await seriesOf(metrics);
  assert.equal(series.get('assistant_queue_depth{state="queued"}'), 5);
  assert.equal(series.has('assistant_queue_depth{state="running"}'), false);
  assert.equal(series.get("assistant_model_loaded"), 1);
  assert.equal(series.get('assistant_ticks_total{kind="a"}'), 1);
  assert.equal([...series.keys()].some((name) => name.includes("broken")), false);
});

Deno.test("label values are escaped", async () => {
  const metrics = createMetrics();
  metrics.counter("odd_total", "Odd", { labels: ["route"] }).inc({ route: 'a"b\\c\nd' });
  assert.equal((await seriesOf(metrics)).get('assistant_odd_total{route="a\\"b\\\\c\\nd"}'), 1);
});

Deno.test("a metric's name is taken once", () => {
  const metrics = createMetrics();
  metrics.counter("twice_total", "One", { labels: [] });
  assert.throws(() => metrics.counter("twice_total", "Two", { labels: [] }), /twice_total/);
});

Deno.test("every service shows its version and its process", async () => {
  const series = await seriesOf(createMetrics());
  assert.equal(series.get(`assistant_build_info{version="${VERSION}"}`), 1);
  assert.ok((series.get("process_resident_memory_bytes") ?? 0) > 10_000_000);
  assert.ok((series.get("process_cpu_seconds_total") ?? 0) > 0);
  const ageSeconds = Date.now() / 1_000 - (series.get("process_start_time_seconds") ?? 0);
  assert.ok(ageSeconds >= -1 && ageSeconds < 3_600, `${ageSeconds} s`);
});

Deno.test("requests are labelled by the route's pattern and by known methods, whatever a client sends", async () => {
  const metrics = createMetrics();
  const app = new Hono();
  app.use(measureRequests(metrics));
  app.all("/things/:id", (c) => c.text("ok"));
  for (const [method, id] of [["GET", "1"], ["GET", "2"], ["BREW", "3"], ["STEAM", "4"]]) {
    await app.request(`/things/${id}`, { method });
  }
  const series = await seriesOf(metrics);
  const requests = [...series].filter(([name]) => name.startsWith("assistant_http_requests_total"));
  assert.deepEqual(requests, [
    ['assistant_http_requests_total{method="GET",route="/things/:id",status="200"}', 2],
    ['assistant_http_requests_total{method="other",route="/things/:id",status="200"}', 2],
  ]);
});

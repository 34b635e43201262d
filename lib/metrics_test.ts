// The metrics registry against the Prometheus text format, read back by an own small parser.
import assert from "node:assert/strict";
import { createMetrics } from "./metrics.ts";

/** Reads an exposition as a map from series to value; throws on a line of unknown shape. */
function parseExposition(text: string): Map<string, number> {
  const series = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || /^# (HELP|TYPE) [a-z_]+ .+$/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (\S+)$/.exec(line);
    assert.ok(match?.[1] !== undefined, `unreadable line: ${line}`);
    series.set(match[1], Number(match[2]));
  }
  return series;
}

Deno.test("a counter adds up each of its series", async () => {
  const metrics = createMetrics();
  const counter = metrics.counter("requests_total", "Requests");
  counter.add({ route: "/a" });
  counter.add({ route: "/a" }, 2);
  counter.add({ route: "/b" });
  const series = parseExposition(await metrics.render());
  assert.equal(series.get('requests_total{route="/a"}'), 3);
  assert.equal(series.get('requests_total{route="/b"}'), 1);
});

Deno.test("a histogram's buckets are cumulative and count a value on a bound into it", async () => {
  const metrics = createMetrics();
  const histogram = metrics.histogram("wait_seconds", "Waits", [0.1, 1]);
  for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value);
  const series = parseExposition(await metrics.render());
  assert.equal(series.get('wait_seconds_bucket{le="0.1"}'), 2);
  assert.equal(series.get('wait_seconds_bucket{le="1"}'), 3);
  assert.equal(series.get('wait_seconds_bucket{le="+Inf"}'), 4);
  assert.equal(series.get("wait_seconds_count"), 4);
  assert.equal(series.get("wait_seconds_sum"), 7.65);
});

Deno.test("a gauge is read at each render, and one that fails hides no other metric", async () => {
  const metrics = createMetrics();
  let depth = 1;
  metrics.gauge("queue_depth", "Depth", () => [{ labels: { state: "queued" }, value: depth }]);
  metrics.gauge("broken", "Fails", () => Promise.reject(new Error("down")));
  metrics.counter("ticks_total", "Ticks").add();
  depth = 5;
  const series = parseExposition(await metrics.render());
  assert.equal(series.get('queue_depth{state="queued"}'), 5);
  assert.equal(series.get("ticks_total"), 1);
  assert.equal([...series.keys()].some((name) => name.startsWith("broken")), false);
});

Deno.test("label values are escaped", async () => {
  const metrics = createMetrics();
  metrics.counter("odd_total", "Odd").add({ route: 'a"b\\c\nd' });
  assert.equal(parseExposition(await metrics.render()).get('odd_total{route="a\\"b\\\\c\\nd"}'), 1);
});

Deno.test("a metric's name is taken once", () => {
  const metrics = createMetrics();
  metrics.counter("twice_total", "One");
  assert.throws(() => metrics.counter("twice_total", "Two"), /twice_total/);
});

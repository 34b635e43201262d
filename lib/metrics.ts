/** Owns metrics: a small registry of counters, histograms and gauges, written in Prometheus' text format. */

/** The content type of Prometheus' text exposition format. */
export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds of latency buckets, in seconds: from a cached answer to a long draft. */
export const LATENCY_BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** Label values of one series. Never ids, names or text: each distinct combination is kept for good. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  /** Adds to a series; by default one. */
  add(labels?: Labels, amount?: number): void;
}

export interface Histogram {
  observe(value: number, labels?: Labels): void;
}

/** One value of a gauge, with the labels that tell it from its neighbours. */
export interface GaugeValue {
  labels?: Labels;
  value: number;
}

export interface Metrics {
  counter(name: string, help: string): Counter;
  /** @param buckets upper bounds, ascending, in the unit of the observed values */
  histogram(name: string, help: string, buckets?: readonly number[]): Histogram;
  /** A gauge is read when the metrics are; one that cannot be read is left out of that answer. */
  gauge(name: string, help: string, read: () => Promise<GaugeValue[]> | GaugeValue[]): void;
  /** All metrics as Prometheus text. */
  render(): Promise<string>;
}

type Lines = () => Promise<string[]> | string[];

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function seriesOf(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function createCounter(name: string): { counter: Counter; lines: Lines } {
  const totals = new Map<string, number>();
  return {
    counter: {
      add(labels = {}, amount = 1) {
        const series = seriesOf(labels);
        totals.set(series, (totals.get(series) ?? 0) + amount);
      },
    },
    lines: () => [...totals].map(([series, total]) => `${name}${series} ${total}`),
  };
}

interface Distribution {
  labels: Labels;
  /** Observations by bucket, not cumulated; the last one is above every bound. */
  counts: number[];
  sum: number;
}

function distributionLines(name: string, bounds: readonly number[], series: Distribution): string[] {
  let total = 0;
  const buckets = series.counts.map((count, index) => {
    total += count;
    const le = index < bounds.length ? String(bounds[index]) : "+Inf";
    return `${name}_bucket${seriesOf({ ...series.labels, le })} ${total}`;
  });
  const labels = seriesOf(series.labels);
  return [...buckets, `${name}_sum${labels} ${series.sum}`, `${name}_count${labels} ${total}`];
}

function createHistogram(name: string, bounds: readonly number[]): { histogram: Histogram; lines: Lines } {
  const distributions = new Map<string, Distribution>();
  return {
    histogram: {
      observe(value, labels = {}) {
        const key = seriesOf(labels);
        const found = distributions.get(key) ??
          { labels, counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 };
        distributions.set(key, found);
        const index = bounds.findIndex((bound) => value <= bound);
        const bucket = index < 0 ? bounds.length : index;
        found.counts[bucket] = (found.counts[bucket] ?? 0) + 1;
        found.sum += value;
      },
    },
    lines: () => [...distributions.values()].flatMap((series) => distributionLines(name, bounds, series)),
  };
}

/** Makes an empty registry; each service has one. */
export function createMetrics(): Metrics {
  const families = new Map<string, { help: string; type: string; lines: Lines }>();

  function register(name: string, help: string, type: string, lines: Lines): void {
    if (families.has(name)) throw new TypeError(`There is a metric ${name} already`);
    families.set(name, { help, type, lines });
  }

  return {
    counter(name, help) {
      const { counter, lines } = createCounter(name);
      register(name, help, "counter", lines);
      return counter;
    },
    histogram(name, help, buckets = LATENCY_BUCKETS_SECONDS) {
      const { histogram, lines } = createHistogram(name, buckets);
      register(name, help, "histogram", lines);
      return histogram;
    },
    gauge(name, help, read) {
      register(name, help, "gauge", async () => {
        const values = await Promise.resolve().then(read).catch(() => []);
        return values.map(({ labels = {}, value }) => `${name}${seriesOf(labels)} ${value}`);
      });
    },
    async render() {
      const blocks = await Promise.all(
        [...families].map(async ([name, { help, type, lines }]) =>
          [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...await lines()].join("\n")
        ),
      );
      return `${blocks.join("\n")}\n`;
    },
  };
}

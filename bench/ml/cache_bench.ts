/**
 * Measures what a cached reply costs over HTTP with and without the part of the cache that is in memory.
 *
 * `deno run -A bench/ml/cache_bench.ts`. Both services stand on one engine and take turns, request by request.
 */
import { join } from "node:path";
import { ML_PATHS } from "../../contract/paths.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import { createMlApp } from "../../ml/app.ts";
import { createResponseCache } from "../../ml/cache/response_cache.ts";
import { mlConfigFrom } from "../../ml/config.ts";
import { createContext, type MlContext } from "../../ml/context.ts";
import { createGenerationService } from "../../ml/services/generation_service.ts";
import { buildTinyGguf } from "../../tests/support/ml/tiny_gguf.ts";
import { tableLines } from "../support/bench_output.ts";

const PROMPTS = 50;
const ROUNDS = 60;
const WARM_UP_ROUNDS = 5;

/** The service of a context with a cache of its own; disposing stops it. */
function serve(context: MlContext, options: { kv: Deno.Kv; memoryBytes?: number }) {
  const metrics = createMetrics();
  const cache = createResponseCache({ ...options, metrics });
  const generation = createGenerationService({ ...context, metrics, cache });
  const app = createMlApp({ ...context, metrics, cache, generation });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Milliseconds of one request. */
async function ask(url: string, index: number): Promise<number> {
  const startedAt = performance.now();
  const response = await fetch(`${url}${ML_PATHS.generate}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ prompt: `Them: question ${index}?\nMe:`, max_tokens: 16, temperature: 0 }),
  });
  await response.json();
  return performance.now() - startedAt;
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
}

async function measure(dir: string): Promise<void> {
  await buildTinyGguf({ path: join(dir, "tiny.gguf") });
  const config = mlConfigFrom({ DATA_DIR: dir, MODELS_DIR: dir, MODEL: "tiny", THREADS: "1" });
  await using context = await createContext(config, { log: silentLogger() });
  await context.models.start();
  using plainKv = await Deno.openKv(join(dir, "without.kv"));
  using fullKv = await Deno.openKv(join(dir, "with.kv"));
  await using without = serve(context, { kv: plainKv, memoryBytes: 1 });
  await using withMemory = serve(context, { kv: fullKv });
  const times: [number[], number[]] = [[], []];
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (let index = 0; index < PROMPTS; index++) {
      for (const [side, { url }] of [without, withMemory].entries()) {
        const tookMs = await ask(url, index);
        if (round >= 0) times[side]?.push(tookMs);
      }
    }
  }
  const row = (name: string, values: number[]) => [
    name,
    ...[0.5, 0.9].flatMap((share) => [
      quantile(values, share).toFixed(3),
      (quantile(values, share) / quantile(times[0], share)).toFixed(2),
    ]),
  ];
  const rows = [row("Deno KV alone", times[0]), row("memory before Deno KV", times[1])];
  writeLine(`a cached reply over HTTP, ${times[0].length} requests of each side`);
  for (const line of tableLines(["", "p50 ms", "ratio", "p90 ms", "ratio"], rows)) writeLine(line);
}

await runMain(async () => {
  const dir = await Deno.makeTempDir();
  try {
    await measure(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

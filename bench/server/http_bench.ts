/**
 * Compares what a request costs on the server's own HTTP, which is `node:http` with limits, and on `Deno.serve`.
 *
 * `deno run -A bench/server/http_bench.ts [seconds]`: both serve the same handlers in a process of their own each, and take
 * turns, many short ones. What counts is the last column, CPU time of the serving process for a request against Deno's;
 * the time that one caller waits is beside it. Linux only.
 */
import { join } from "node:path";
import { Agent, request } from "node:http";
import { writeLine } from "../../lib/log.ts";
import { choosePort, PROJECT_ROOT } from "../../tools/service_process.ts";
import { median } from "../support/bench_output.ts";
import { processCpuMs } from "../support/process_usage.ts";
import { HTTP_SIDES, type HttpSide, PATHS } from "./http_sides.ts";

const DEFAULT_SECONDS = 40;
const TURN_REQUESTS = 400;
const CONNECTIONS = 4;
const BODY = JSON.stringify({ text: "See you at seven then. ".repeat(20) });

/** A side's process and what its turns have cost. */
interface RunningSide {
  readonly name: HttpSide;
  readonly port: number;
  readonly pid: number;
}

async function startSide(name: HttpSide, stack: AsyncDisposableStack): Promise<RunningSide> {
  const port = choosePort();
  const file = join(PROJECT_ROOT, "bench", "server", "http_sides.ts");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", file, name, String(port)],
    stdout: "piped",
  }).spawn();
  stack.defer(async () => {
    child.kill("SIGKILL");
    await child.status;
    await child.stdout.cancel();
  });
  const reader = child.stdout.getReader();
  await reader.read(); // Its line says that it listens.
  reader.releaseLock();
  return { name, port, pid: child.pid };
}

/** Sends one request over a kept connection and reads its answer. */
function ask(agent: Agent, { port, path }: { port: number; path: string }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const method = path === PATHS.post ? "POST" : "GET";
  const headers = method === "POST"
    ? { "content-type": "application/json", "content-length": String(BODY.length) }
    : {};
  request({ host: "127.0.0.1", port, path, method, headers, agent }, (response) => {
    if (response.statusCode !== 200) reject(new Error(`${path} answered ${response.statusCode}`));
    response.on("end", resolve).resume();
  }).on("error", reject).end(method === "POST" ? BODY : undefined);
  return promise;
}

/** One turn of one side: milliseconds of CPU and of waiting, for each request. */
async function takeTurn(
  { port, pid }: RunningSide,
  path: string,
): Promise<{ cpuMs: number; waitMs: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const cpuBefore = processCpuMs(pid);
  const startedMs = performance.now();
  const callers = Array.from({ length: CONNECTIONS }, async () => {
    for (let count = 0; count < TURN_REQUESTS / CONNECTIONS; count++) await ask(agent, { port, path });
  });
  await Promise.all(callers);
  const waitMs = (performance.now() - startedMs) * CONNECTIONS / TURN_REQUESTS;
  agent.destroy();
  return { cpuMs: (processCpuMs(pid) - cpuBefore) / TURN_REQUESTS, waitMs };
}

async function compare(sides: readonly RunningSide[], { path, seconds }: { path: string; seconds: number }) {
  const turns = sides.map(() => ({ cpuMs: 0, waits: [] as number[], count: 0 }));
  for (const side of sides) await takeTurn(side, path);
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    for (const [index, side] of sides.entries()) {
      const { cpuMs, waitMs } = await takeTurn(side, path);
      const sum = turns[index];
      if (sum === undefined) continue;
      sum.cpuMs += cpuMs;
      sum.count++;
      sum.waits.push(waitMs);
    }
  }
  const figures = turns.map(({ cpuMs, count, waits }) => ({ cpuMs: cpuMs / count, waitMs: median(waits) }));
  const base = figures[0];
  for (const [index, { name }] of sides.entries()) {
    const { cpuMs = NaN, waitMs = NaN } = figures[index] ?? {};
    const ratios = base === undefined ? [] : [waitMs / base.waitMs, cpuMs / base.cpuMs];
    const cells = [waitMs.toFixed(2), cpuMs.toFixed(3), ...ratios.map((ratio) => `${ratio.toFixed(2)} x`)];
    writeLine(`${path.padEnd(8)}${name.padEnd(12)}${cells.map((cell) => cell.padStart(10)).join("")}`);
  }
}

async function main(seconds: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const sides: RunningSide[] = [];
  for (const name of HTTP_SIDES) sides.push(await startSide(name, stack));
  writeLine(`${"path".padEnd(8)}${"side".padEnd(12)}   wait ms    CPU ms      wait       CPU`);
  const paths = Object.values(PATHS);
  for (const path of paths) await compare(sides, { path, seconds: seconds / paths.length });
}

await main(Number(Deno.args[0] ?? DEFAULT_SECONDS));

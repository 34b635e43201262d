/**
 * What 200 idle WebSockets of `/api/events` cost a server in memory, beside what it takes when it has come to rest.
 *
 * `deno run -A bench/server/idle_sockets_bench.ts` (Linux: it reads /proc).
 */
import assert from "node:assert/strict";
import { writeLine } from "../../lib/log.ts";
import { openEvents } from "../../tests/support/server/event_client.ts";
import { pairDevice } from "../../tests/support/server/owner_client.ts";
import { startServer } from "../../tests/support/server/running_services.ts";

const SOCKETS = 200;
const WANTED_MB = 30;
const SETTLE_MS = 45_000;

async function residentMb(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

{
  const dir = await Deno.makeTempDir({ prefix: "idle-sockets-" });
  await using running = await startServer({ dir, mlUrl: "http://127.0.0.1:9" });
  const { url, pid } = running.server;
  const token = await pairDevice(url);
  await using stack = new AsyncDisposableStack();
  const open = async () => {
    const client = stack.use(await openEvents(url, { token }));
    assert.equal((await client.next()).event, "connected");
    return client;
  };
  await (await open())[Symbol.asyncDispose]();
  // A start leaves garbage, which is collected while nothing happens.
  await settle();
  const before = await residentMb(pid);
  for (let n = 0; n < SOCKETS; n++) await open();
  // What heartbeats leave behind counts as well.
  await settle();
  const after = await residentMb(pid);
  writeLine(
    `before ${before.toFixed(1)} MB, with ${SOCKETS} sockets ${after.toFixed(1)} MB: +${
      (after - before).toFixed(1)
    } MB`,
  );
  writeLine(`wanted: at most +${WANTED_MB} MB`);
}
Deno.exit(0);

/**
 * Loads both services for a time and says whether their memory stays flat: the task `soak`.
 *
 * `deno run -A tests/support/soak/main.ts [MINUTES]`: the server on its embedded PostgreSQL, ml on the tiny model. Four
 * generations run at any time and 50 batches a second are synced. The exit status is 1 when memory grew, a request was
 * answered with anything but 200, something acknowledged is not stored, or the load was not held.
 */
import { descendantBytes, rssBytes } from "../../../bench/support/process_usage.ts";
import { delay } from "../../../lib/backoff.ts";
import { UserError } from "../../../lib/errors.ts";
import { runMain } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";
import { pairDevice } from "../server/owner_client.ts";
import { type RunningServices, startServices } from "../server/running_services.ts";
import {
  BATCH_MESSAGES,
  generateUntil,
  type StatusCounts,
  storedMessages,
  type SyncingDevice,
  syncUntil,
} from "./load.ts";
import { FLAT_RISE, type MemorySample, memoryTrend } from "./memory_trend.ts";

const DEFAULT_MINUTES = 20;
const GENERATIONS = 4;
const SYNCS_PER_SECOND = 50;
const DEVICES = 10;
/** The share of the syncs that must have been sent: a load that was not held proves nothing. */
const HELD_LOAD = 0.9;
const SAMPLE_MS = 5_000;
const MS_PER_MINUTE = 60_000;
const MB = 1024 * 1024;

/** The memory of each process by name. PostgreSQL's fills its shared buffers, so that one has no verdict. */
interface Memory {
  readonly server: MemorySample[];
  readonly ml: MemorySample[];
}

/** Takes a sample of each service every few seconds and prints one each minute, until the run is over. */
async function sampleMemory({ server, ml }: RunningServices, durationMs: number): Promise<Memory> {
  const memory: Memory = { server: [], ml: [] };
  const startedMs = performance.now();
  writeLine("minute  server MB  ml MB  PostgreSQL MB");
  for (let minute = 0; performance.now() - startedMs <= durationMs;) {
    const atMs = performance.now() - startedMs;
    const sample = { server: rssBytes(server.pid), ml: rssBytes(ml.pid) + descendantBytes(ml.pid) };
    memory.server.push({ atMs, bytes: sample.server });
    memory.ml.push({ atMs, bytes: sample.ml });
    if (atMs >= minute * MS_PER_MINUTE) {
      const columns = [sample.server, sample.ml, descendantBytes(server.pid)].map((bytes) =>
        (bytes / MB).toFixed(1)
      );
      writeLine(
        [minute++, ...columns].map((column, index) => `${column}`.padStart([6, 9, 5, 13][index] ?? 0)).join(
          "  ",
        ),
      );
    }
    await delay(SAMPLE_MS);
  }
  return memory;
}

async function pairDevices(url: string): Promise<SyncingDevice[]> {
  const devices: SyncingDevice[] = [];
  while (devices.length < DEVICES) {
    devices.push({ url, token: await pairDevice(url), name: `device-${devices.length}` });
  }
  return devices;
}

/** Prints the trend of each service's memory; the faults are those that grew. */
function judgeMemory(memory: Memory): string[] {
  return Object.entries(memory).flatMap(([name, samples]) => {
    const { bytesPerMinute, rise, medianBytes, isFlat } = memoryTrend(samples);
    const slope = `${(bytesPerMinute / MB).toFixed(2)} MB a minute around ${
      (medianBytes / MB).toFixed(1)
    } MB`;
    writeLine(`${name}: ${slope} over the second half, ${(rise * 100).toFixed(1)} % in all`);
    return isFlat ? [] : [`the memory of ${name} is not flat: it grew by ${FLAT_RISE * 100} % or more`];
  });
}

/** Prints the answers by status; the faults are those that are not 200. */
function judgeAnswers(name: string, counts: StatusCounts): string[] {
  for (const [status, times] of Object.entries(counts)) writeLine(`${name} ${status}: ${times}`);
  const others = Object.entries(counts).filter(([status]) => status !== "200");
  return others.map(([status, times]) => `${name}: ${times} times ${status}`);
}

async function soak(minutes: number): Promise<string[]> {
  await using services = await startServices({ env: { PAIRING: "open" } });
  const devices = await pairDevices(services.server.url);
  const stop = new AbortController();
  const [generations, syncs]: [StatusCounts, StatusCounts] = [{}, {}];
  const periodMs = 1_000 * DEVICES / SYNCS_PER_SECOND;
  const load = [
    ...Array.from({ length: GENERATIONS }, () => generateUntil(stop.signal, services.ml.url, generations)),
    ...devices.map((device) => syncUntil(stop.signal, device, { periodMs, counts: syncs })),
  ];
  const memory = await sampleMemory(services, minutes * MS_PER_MINUTE);
  stop.abort();
  await Promise.all(load);
  const acknowledged = (syncs["200"] ?? 0) * BATCH_MESSAGES;
  const stored = (await Promise.all(devices.map(storedMessages))).reduce((sum, count) => sum + count, 0);
  const sent = Object.values(syncs).reduce((sum, count) => sum + count, 0);
  const planned = minutes * 60 * SYNCS_PER_SECOND;
  const faults = [
    ...judgeMemory(memory),
    ...judgeAnswers("generate", generations),
    ...judgeAnswers("sync", syncs),
    ...(generations["200"] ?? 0) > 0 ? [] : ["nothing was generated"],
    ...stored >= acknowledged ? [] : [`${acknowledged - stored} acknowledged messages are not stored`],
    ...sent >= planned * HELD_LOAD ? [] : [`the load was not held: ${sent} of ${planned} syncs were sent`],
  ];
  writeLine(`messages: ${acknowledged} acknowledged, ${stored} stored`);
  return faults;
}

async function main(): Promise<void> {
  const minutes = Number(Deno.args[0] ?? DEFAULT_MINUTES);
  if (!(minutes > 0 && minutes <= 24 * 60)) {
    throw new UserError(`${Deno.args[0]} is no number of minutes`, { fix: "Name one from 1 to 1440" });
  }
  const faults = await soak(minutes);
  for (const fault of faults) writeLine(`FAULT: ${fault}`);
  if (faults.length > 0) throw new UserError(`${faults.length} faults were found`);
  writeLine(`Flat: each trend adds less than ${FLAT_RISE * 100} % over the second half`);
}

if (import.meta.main) await runMain(main);

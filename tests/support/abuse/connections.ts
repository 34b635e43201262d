/** The parts of the abuse that open connections: sockets that send nothing or not all of it, and half-sent bodies. */
import { connect, type Socket } from "node:net";
import { delay } from "../../../lib/backoff.ts";
import type { AbuseReport } from "./abuse_report.ts";
import { type AbusedService, faultsOf, residentMegabytes } from "./abused_service.ts";

const GET_HEALTH = "GET /health HTTP/1.1\r\nHost: local";
/** What is sent on connections that stay open, by kind. */
function unfinishedOf(abused: AbusedService): Readonly<Record<string, string>> {
  return {
    "idle": "",
    "half head": GET_HEALTH,
    "half body": `${headOf(abused, 100)}{"name":`,
    "keep-alive": `${GET_HEALTH}host\r\n\r\n`,
  };
}

/** The head of a POST that anybody may send. */
function headOf({ openPath }: AbusedService, bodyBytes: number): string {
  return `POST ${openPath} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${bodyBytes}\r\n\r\n`;
}

const OF_EACH_KIND = 450;
/** The longest limit, between two requests, with its buffer. */
const WAIT_MS = 80_000;
const HALF_BODIES = 300;
const BODY_BYTES = 1_000_000;

/** Opens a connection, sends these bytes and nothing more. */
function open(port: number, bytes: string | Uint8Array): Socket {
  const socket = connect(port, "127.0.0.1", () => void (bytes.length > 0 && socket.write(bytes)));
  return socket.on("error", () => {}).resume();
}

/** Idle sockets, half heads, half bodies and idle keep-alives: how many are still open after the longest limit. */
export async function abuseWithSockets(start: () => Promise<AbusedService>): Promise<AbuseReport> {
  await using abused = await start();
  const figures: Record<string, number> = {};
  const unfinished = unfinishedOf(abused);
  const sockets = Object.entries(unfinished).flatMap(([kind, bytes]) =>
    Array.from({ length: OF_EACH_KIND }, () => ({ kind, socket: open(abused.port, bytes) }))
  );
  await delay(WAIT_MS);
  for (const kind of Object.keys(unfinished)) {
    figures[`${kind} still open`] = sockets.filter((one) => one.kind === kind && !one.socket.closed).length;
  }
  const left = Object.values(figures).reduce((sum, count) => sum + count, 0);
  for (const { socket } of sockets) socket.destroy();
  return {
    figures,
    faults: await faultsOf(abused, left > 0 ? [`${left} connections were never closed`] : []),
  };
}

/** Anonymous requests with nine tenths of a body of 1 MB: how much memory they hold. */
export async function abuseWithBodies(start: () => Promise<AbusedService>): Promise<AbuseReport> {
  await using abused = await start();
  const before = await residentMegabytes(abused);
  const head = new TextEncoder().encode(headOf(abused, BODY_BYTES));
  const bytes = new Uint8Array(head.length + 0.9 * BODY_BYTES).fill(32);
  bytes.set(head);
  const sockets = Array.from({ length: HALF_BODIES }, () => open(abused.port, bytes));
  let peak = before;
  for (let second = 0; second < 10; second++) {
    await delay(1_000);
    peak = Math.max(peak, await residentMegabytes(abused));
  }
  for (const socket of sockets) socket.destroy();
  const growth = peak - before;
  return {
    figures: { "resident MB before": before, "resident MB at most": peak },
    faults: await faultsOf(abused, growth >= 150 ? [`half bodies held ${growth} MB`] : []),
  };
}

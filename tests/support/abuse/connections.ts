/** The parts of the abuse that open connections: sockets that send nothing or not all of it, and half-sent bodies. */
import { connect, type Socket } from "node:net";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { delay } from "../../../lib/backoff.ts";
import type { AbuseReport } from "./abuse_report.ts";
import { faultsOf, isAnswering, residentMegabytes, startAbusedServer } from "./abused_server.ts";

const HEAD =
  `POST ${SERVER_PATHS.registerDevice} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
/** Connections that stay open: 450 of each kind. */
const UNFINISHED: Readonly<Record<string, string>> = {
  idle: "",
  "half head": "GET /health HTTP/1.1\r\nHost: local",
  "half body": `${HEAD}Content-Length: 100\r\n\r\n{"name":`,
  "keep-alive": "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
};
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
export async function socketsPart(): Promise<AbuseReport> {
  await using abused = await startAbusedServer();
  const figures: Record<string, number> = {};
  const sockets = Object.entries(UNFINISHED).flatMap(([kind, bytes]) =>
    Array.from({ length: OF_EACH_KIND }, () => ({ kind, socket: open(abused.port, bytes) }))
  );
  await delay(WAIT_MS);
  for (const kind of Object.keys(UNFINISHED)) {
    figures[`${kind} still open`] = sockets.filter((one) => one.kind === kind && !one.socket.closed).length;
  }
  const left = Object.values(figures).reduce((sum, count) => sum + count, 0);
  for (const { socket } of sockets) socket.destroy();
  const answers = await isAnswering(abused);
  return {
    figures,
    faults: faultsOf(abused, answers, left > 0 ? [`${left} connections were never closed`] : []),
  };
}

/** Anonymous requests with nine tenths of a body of 1 MB: how much memory they hold. */
export async function bodiesPart(): Promise<AbuseReport> {
  await using abused = await startAbusedServer();
  const before = await residentMegabytes(abused);
  const head = new TextEncoder().encode(`${HEAD}Content-Length: ${BODY_BYTES}\r\n\r\n`);
  const bytes = new Uint8Array(head.length + 0.9 * BODY_BYTES).fill(32);
  bytes.set(head);
  const sockets = Array.from({ length: HALF_BODIES }, () => open(abused.port, bytes));
  let peak = before;
  for (let second = 0; second < 10; second++) {
    await delay(1_000);
    peak = Math.max(peak, await residentMegabytes(abused));
  }
  for (const socket of sockets) socket.destroy();
  const answers = await isAnswering(abused);
  const growth = peak - before;
  return {
    figures: { "resident MB before": before, "resident MB at most": peak },
    faults: faultsOf(abused, answers, growth >= 150 ? [`half bodies held ${growth} MB`] : []),
  };
}

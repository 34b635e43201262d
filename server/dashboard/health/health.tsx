/** The page of health: what answers, what waits, and whether every message arrived. */
import { useEffect } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { type Status, statusSchema } from "../../../contract/status.ts";
import type { Capture as CaptureFigures } from "../../../contract/sync.ts";
import { request } from "../client/api.ts";
import { useLoaded } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { dayOf, timeOf } from "../times.ts";

const { health: TEXT } = STRINGS;
const LOOK_AGAIN_MS = 10_000;

function momentOf(iso: string | null): string {
  return iso === null ? TEXT.never : `${dayOf(iso)}, ${timeOf(iso)}`;
}

function Rows({ rows }: { rows: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <table>
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Model({ ml }: Pick<Status, "ml">) {
  const { state, offlineSince, model, reason, backend, queueLength } = ml;
  return (
    <li class="card">
      <h2>
        {TEXT.model}
        <span class={state === "ready" ? "badge" : "badge alarming"}>{TEXT.states[state]}</span>
      </h2>
      {offlineSince !== null && <p role="alert">{TEXT.offlineSince(momentOf(offlineSince))}</p>}
      {reason !== null && <p class="quiet">{reason}</p>}
      {backend?.warning && <p role="alert">{backend.warning}</p>}
      <Rows
        rows={[
          [TEXT.serves, <bdi key="model">{model ?? "–"}</bdi>],
          [TEXT.runsOn, backend ? TEXT.device(backend) : "–"],
          [TEXT.waitsInModel, queueLength ?? "–"],
        ]}
      />
    </li>
  );
}

function Server({ status: { version, queue, disk } }: { status: Status }) {
  const { freeBytes, totalBytes, databaseBytes } = disk;
  return (
    <li class="card">
      <h2>{TEXT.server}</h2>
      <Rows
        rows={[
          [TEXT.version, version],
          [TEXT.queued, queue.queued],
          [TEXT.generating, queue.generating],
          [TEXT.trainings, queue.training],
          [TEXT.database, TEXT.size(databaseBytes)],
          [TEXT.free, freeBytes === null || totalBytes === null ? "–" : TEXT.freeOf(freeBytes, totalBytes)],
        ]}
      />
    </li>
  );
}

function figureOf(count: number): string {
  return count.toLocaleString("en");
}

/** Whether every row of the device is accounted for, in a sentence. */
function Proof({ capture, lagRows }: { capture: CaptureFigures; lagRows: number }) {
  const { rowsRead, stored, refused, setAside, gaps } = capture;
  const missing = gaps + Math.abs(rowsRead - stored - refused - setAside);
  if (missing > 0) return <p role="alert">{TEXT.missing(missing)}</p>;
  return <p role="status">{lagRows > 0 ? TEXT.arriving(lagRows) : TEXT.complete(rowsRead)}</p>;
}

function Capture({ device }: { device: Status["devices"][number] }) {
  const { name, status, lastHeartbeatAt, lastBatchAt, stored, unchanged, lagRows, capture } = device;
  return (
    <li class="card">
      <h2>
        <bdi>{name}</bdi>
        {status === "deactivated" && <span class="badge alarming">{TEXT.revoked}</span>}
      </h2>
      {capture && <Proof capture={capture} lagRows={lagRows ?? 0} />}
      <Rows
        rows={[
          ...(capture
            ? [
              [TEXT.rowsRead, figureOf(capture.rowsRead)],
              [TEXT.acknowledged, figureOf(capture.stored)],
              [TEXT.refused, figureOf(capture.refused)],
              [TEXT.setAside, figureOf(capture.setAside)],
              [TEXT.gaps, figureOf(capture.gaps)],
            ] as const
            : []),
          [TEXT.lag, lagRows === null ? "–" : figureOf(lagRows)],
          [TEXT.stored, figureOf(stored)],
          [TEXT.unchanged, figureOf(unchanged)],
          [TEXT.lastBatch, momentOf(lastBatchAt)],
          [TEXT.heartbeat, momentOf(lastHeartbeatAt)],
        ]}
      />
    </li>
  );
}

/** The devices that send messages: a browser captures nothing. */
function CaptureList({ devices }: Pick<Status, "devices">) {
  const sending = devices.filter(({ lastBatchAt, lastHeartbeatAt }) =>
    lastBatchAt !== null || lastHeartbeatAt !== null
  );
  if (sending.length === 0) return <p>{TEXT.nothingSent}</p>;
  return (
    <ul class="cards wide" aria-label={TEXT.capture}>
      {sending.map((device) => <Capture key={device.deviceId} device={device} />)}
    </ul>
  );
}

/** How the server, its model and the capture are; read again while it is open. */
export function Health() {
  const { value, error, reload } = useLoaded(
    () => request(`GET ${SERVER_PATHS.status}`, { schema: statusSchema }),
    ["sync:progress", "response:generating", "response:completed", "response:failed", "device:changed"],
  );
  // The model and the disk say nothing by themselves.
  useEffect(() => {
    const timer = setInterval(() => void reload(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <main id="content" class="sheet scroll" tabIndex={0}>
      <h1>{TEXT.title}</h1>
      {error !== null && <p role="alert">{error}</p>}
      {value === null && error === null && <p class="quiet">{STRINGS.loading}</p>}
      {value !== null && (
        <>
          <ul class="cards wide">
            <Model ml={value.ml} />
            <Server status={value} />
          </ul>
          <h2>{TEXT.capture}</h2>
          <p class="quiet">{TEXT.captureHint}</p>
          <CaptureList devices={value.devices} />
        </>
      )}
    </main>
  );
}

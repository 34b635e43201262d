/** Says how the server, ml, an account's queue, the disk and the capture of its messages are. */
import { statfs } from "node:fs/promises";
import type { Status } from "../../contract/status.ts";
import { VERSION } from "../../lib/version.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { DeviceStore } from "../store/devices/device_store.ts";
import type { FigureStore } from "../store/figure_store.ts";
import type { MessageIngest } from "../store/messages/message_ingest.ts";
import type { Device, DeviceSync } from "../store/schema.ts";
import type { ServerJobs } from "./drafts/draft_jobs.ts";
import { readQueue } from "./drafts/waiting_drafts.ts";
import type { HealthService } from "./health_service.ts";

/** A person's devices, and then some. */
const DEVICES = { page: 1, pageSize: 200 };

export interface StatusServiceOptions {
  health: Pick<HealthService, "ml">;
  jobs: Pick<ServerJobs, "list">;
  figures: FigureStore;
  devices: Pick<DeviceStore, "list">;
  ingest: Pick<MessageIngest, "status">;
  dataDir: string;
}

export interface StatusService {
  read(caller: Caller): Promise<Status>;
}

async function mlStatusOf({ health, jobs }: StatusServiceOptions): Promise<Status["ml"]> {
  const { health: seen, reason, backend, queueLength, offlineSince } = await health.ml();
  // A draft may have found it away before this server was asked.
  const since = offlineSince &&
    [offlineSince, (await readQueue(jobs)).mlAwaySince ?? offlineSince].map(Number);
  return {
    state: seen.ml,
    offlineSince: since && new Date(Math.min(...since)).toISOString(),
    model: seen.model_version,
    reason,
    backend: backend &&
      { device: backend.device, gpuLayers: backend.gpu_layers, warning: backend.warning },
    queueLength,
  };
}

async function diskOf({ figures, dataDir }: StatusServiceOptions): Promise<Status["disk"]> {
  const databaseBytes = await figures.databaseSize();
  // Not every file system says how large it is.
  const found = await statfs(dataDir).catch(() => null);
  if (found === null) return { freeBytes: null, totalBytes: null, databaseBytes };
  const { bavail, blocks, bsize } = found;
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, databaseBytes };
}

function captureOf(device: Device, sync: DeviceSync | undefined): Status["devices"][number] {
  return {
    deviceId: device.id,
    name: device.name,
    status: device.status,
    lastSeenAt: device.lastSeenAt?.toISOString() ?? null,
    lastBatchAt: sync?.lastBatchAt?.toISOString() ?? null,
    lastHeartbeatAt: sync?.heartbeatAt?.toISOString() ?? null,
    stored: sync?.inserted ?? 0,
    unchanged: sync?.unchanged ?? 0,
    lagRows: sync?.lagRows ?? null,
    capture: sync?.capture ?? null,
  };
}

async function devicesOf(
  { devices, ingest }: StatusServiceOptions,
  accountId: string,
): Promise<Status["devices"]> {
  const { rows } = await devices.list(accountId, DEVICES);
  const { devices: syncs } = await ingest.status(accountId);
  const places = new Map(syncs.map(({ deviceId }, index) => [deviceId, index]));
  const placeOf = ({ id }: Device) => places.get(id) ?? syncs.length;
  return rows.toSorted((a, b) => placeOf(a) - placeOf(b)).map((device) =>
    captureOf(device, syncs[placeOf(device)])
  );
}

/** Makes the service of the status. */
export function createStatusService(options: StatusServiceOptions): StatusService {
  return {
    async read({ accountId }) {
      const [ml, queue, disk, devices] = await Promise.all([
        mlStatusOf(options),
        options.figures.unfinished(accountId),
        diskOf(options),
        devicesOf(options, accountId),
      ]);
      return { version: VERSION, ml, queue, disk, devices };
    },
  };
}

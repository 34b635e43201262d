/** Lists, links and deactivates the devices of an account. */
import type { Device, DeviceList, PLATFORMS } from "../../../contract/devices.ts";
import type { PageQuery } from "../../../contract/paging.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Caller } from "../../auth/authenticate.ts";
import type { Device as DeviceRow } from "../../store/schema.ts";
import { pageFieldsOf, pageRequestOf } from "../paging.ts";
import { createPairing, type Origin, type Pairing, type PairingOptions } from "./pairing.ts";

export interface DeviceService extends Omit<Pairing, "link"> {
  /** Joins the device that shows a code to the caller's account. @throws ApiError as `verify` */
  link(caller: Caller, request: { code: string } & Origin): Promise<Device>;
  list(caller: Caller, query: PageQuery): Promise<DeviceList>;
  me(caller: Caller): Promise<Device>;
  /** @throws ApiError `not_found` */
  rename(caller: Caller, device: { deviceId: string; name: string }): Promise<Device>;
  /** @throws ApiError `not_found` */
  deactivate(caller: Caller, deviceId: string): Promise<Device>;
}

/** A device as the wire shows it. */
function deviceOf(row: DeviceRow): Device {
  return {
    id: row.id,
    name: row.name,
    hardwareId: row.hardwareId,
    platform: row.platform as typeof PLATFORMS[number],
    osVersion: row.osVersion,
    scope: row.scope,
    status: row.status,
    createdAt: row.createdAt.toISOString(),
    verifiedAt: row.verifiedAt?.toISOString() ?? null,
    lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
    deactivatedAt: row.deactivatedAt?.toISOString() ?? null,
  };
}

function noSuchDevice(): ApiError {
  return new ApiError("not_found", "There is no device with this id");
}

/** Makes the device service. */
export function createDeviceService(options: PairingOptions): DeviceService {
  const { devices } = options;
  const pairing = createPairing(options);
  return {
    ...pairing,
    link: async (caller, request) => deviceOf(await pairing.link(caller, request)),
    async list(caller, query) {
      const page = await devices.list(caller.accountId, pageRequestOf(query));
      return { devices: page.rows.map(deviceOf), ...pageFieldsOf(page, query) };
    },
    async me(caller) {
      const device = await devices.find(caller.accountId, caller.deviceId);
      if (device === undefined) throw new ApiError("not_found", "This device does not exist any more");
      return deviceOf(device);
    },
    async rename(caller, device) {
      const renamed = await devices.rename(caller.accountId, device);
      if (renamed === undefined) throw noSuchDevice();
      return deviceOf(renamed);
    },
    async deactivate(caller, deviceId) {
      const device = await devices.deactivate(caller.accountId, deviceId);
      if (device === undefined) throw noSuchDevice();
      return deviceOf(device);
    },
  };
}

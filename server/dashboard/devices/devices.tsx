/** The page of devices: who is in the owner's account, who wants in, and what each may do. */
import { type Device, deviceListSchema, deviceResponseSchema } from "../../../contract/devices.ts";
import { MAX_PAGE_SIZE } from "../../../contract/paging.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { WELCOME_ADDRESS } from "../address.ts";
import { request } from "../client/api.ts";
import { useLoaded } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { Approval } from "./approval.tsx";
import { DeviceItem } from "./device_item.tsx";

const { devices: TEXT } = STRINGS;

interface Devices {
  readonly ownId: string;
  readonly devices: readonly Device[];
}

async function readDevices(): Promise<Devices> {
  const { device } = await request(`GET ${SERVER_PATHS.currentDevice}`, { schema: deviceResponseSchema });
  const devices: Device[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await request(`GET ${SERVER_PATHS.devices}?pageSize=${MAX_PAGE_SIZE}${after}`, {
      schema: deviceListSchema,
    });
    devices.push(...page.devices);
    cursor = page.nextCursor ?? null;
  }
  return { ownId: device.id, devices };
}

function DeviceList({ devices, ownId, onChange }: Devices & { onChange: () => Promise<void> }) {
  const present = devices.filter(({ status }) => status !== "deactivated");
  const revoked = devices.filter(({ status }) => status === "deactivated");
  const items = (some: readonly Device[]) =>
    some.map((device) => (
      <DeviceItem key={device.id} device={device} isOwn={device.id === ownId} onChange={onChange} />
    ));
  return (
    <>
      <ul class="cards" aria-label={TEXT.title}>{items(present)}</ul>
      {revoked.length > 0 && (
        <details>
          <summary>{TEXT.revoked(revoked.length)}</summary>
          <ul class="cards" aria-label={TEXT.revoked(revoked.length)}>{items(revoked)}</ul>
        </details>
      )}
    </>
  );
}

/** The devices of the account. */
export function Devices() {
  const { value, error, reload } = useLoaded(readDevices, ["device:changed"]);
  return (
    <main id="content" class="sheet scroll" tabIndex={-1}>
      <h1>{TEXT.title}</h1>
      <p class="quiet">{TEXT.lead}</p>
      <p>
        <a href={WELCOME_ADDRESS}>{TEXT.pairMac}</a>
      </p>
      <Approval onApproved={reload} />
      {error !== null && <p role="alert">{error}</p>}
      {value === null && error === null && <p class="quiet">{STRINGS.loading}</p>}
      {value !== null && <DeviceList {...value} onChange={reload} />}
    </main>
  );
}

/** The page of devices: who is in the owner's account, who wants in, and what each may do. */
import { useEffect, useState } from "preact/hooks";
import { type Device, deviceListSchema, deviceResponseSchema } from "../../../contract/devices.ts";
import { MAX_PAGE_SIZE } from "../../../contract/paging.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../api.ts";
import { useLoaded, useSteps } from "../loading.ts";
import { STRINGS } from "../strings.ts";
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

/** Lets in the device that shows a code. */
function Approval({ onApproved }: { onApproved: () => Promise<void> }) {
  const [code, setCode] = useState("");
  const [approved, setApproved] = useState<string | null>(null);
  const { error, isBusy, run } = useSteps();
  const submit = (event: Event) => {
    event.preventDefault();
    setApproved(null);
    run(async () => {
      const { linkDevice } = SERVER_PATHS;
      const { device } = await request(`POST ${linkDevice}`, {
        schema: deviceResponseSchema,
        body: { code: code.trim() },
      });
      setApproved(device.name);
      setCode("");
      await onApproved();
    });
  };
  return (
    <form class="card" onSubmit={submit}>
      <h2>{TEXT.approve}</h2>
      <p class="quiet">{TEXT.approveHint}</p>
      <div class="buttons">
        <input
          required
          inputMode="numeric"
          autoComplete="off"
          pattern="\s*\d{6}\s*"
          title={TEXT.codeHint}
          aria-label={TEXT.code}
          placeholder={TEXT.code}
          value={code}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={isBusy}>{TEXT.approveButton}</button>
      </div>
      {approved !== null && <p role="status">{TEXT.approved(approved)}</p>}
      {error !== null && <p role="alert">{error}</p>}
    </form>
  );
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

/** The devices of the account; they are read again whenever the window is looked at. */
export function Devices() {
  const { value, error, reload } = useLoaded(readDevices);
  useEffect(() => {
    const look = () => void reload();
    addEventListener("focus", look);
    return () => removeEventListener("focus", look);
  }, []);
  return (
    <main id="content" class="sheet scroll" tabIndex={-1}>
      <h1>{TEXT.title}</h1>
      <p class="quiet">{TEXT.lead}</p>
      <Approval onApproved={reload} />
      {error !== null && <p role="alert">{error}</p>}
      {value === null && error === null && <p class="quiet">{STRINGS.loading}</p>}
      {value !== null && <DeviceList {...value} onChange={reload} />}
    </main>
  );
}

/** One device of the account: what is known of it, and how it is renamed or revoked. */
import { useState } from "preact/hooks";
import { type Device, deviceResponseSchema } from "../../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { dayOf, timeOf } from "../times.ts";

const { devices: TEXT } = STRINGS;
const MAX_NAME_LENGTH = 200;

function Naming(
  { device, onName, onKeep }: { device: Device; onName: (name: string) => void; onKeep: () => void },
) {
  const [name, setName] = useState(device.name);
  const submit = (event: Event) => {
    event.preventDefault();
    onName(name.trim());
  };
  return (
    <form class="buttons" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onKeep()}>
      <input
        autoFocus
        required
        dir="auto"
        maxLength={MAX_NAME_LENGTH}
        aria-label={TEXT.name}
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" class="primary">{TEXT.save}</button>
      <button type="button" onClick={onKeep}>{TEXT.keep}</button>
    </form>
  );
}

function seenText({ status, lastSeenAt, deactivatedAt }: Device): string {
  if (status === "pending") return TEXT.pending;
  if (deactivatedAt !== null) return TEXT.revokedOn(dayOf(deactivatedAt));
  return lastSeenAt === null ? TEXT.neverSeen : TEXT.seen(`${dayOf(lastSeenAt)}, ${timeOf(lastSeenAt)}`);
}

/** A device; `onChange` has the list read again. */
export function DeviceItem(
  { device, isOwn, onChange }: { device: Device; isOwn: boolean; onChange: () => Promise<void> },
) {
  const [step, setStep] = useState<"shown" | "naming" | "revoking">("shown");
  const { error, isBusy, run } = useSteps();
  const { id, name, scope, platform, osVersion, status } = device;
  const send = (path: string, body: unknown) =>
    run(async () => {
      await request(`POST ${pathOf(path, { id })}`, { schema: deviceResponseSchema, body });
      setStep("shown");
      await onChange();
    });
  return (
    <li class="card">
      <h2>
        <bdi>{name}</bdi>
        {isOwn && <span class="badge">{TEXT.own}</span>}
      </h2>
      <p class="quiet">{TEXT.platforms[platform]} {osVersion} · {TEXT.scopes[scope]}</p>
      <p class="quiet">{seenText(device)}</p>
      {step === "naming" && (
        <Naming
          device={device}
          onName={(name) => send(SERVER_PATHS.renameDevice, { name })}
          onKeep={() => setStep("shown")}
        />
      )}
      {step === "revoking" && (
        <div class="buttons">
          <p>{isOwn ? TEXT.revokeOwnHint : TEXT.revokeHint}</p>
          <button
            autoFocus
            type="button"
            class="danger"
            disabled={isBusy}
            onClick={() => send(SERVER_PATHS.deactivateDevice, {})}
          >
            {TEXT.confirmRevoke}
          </button>
          <button type="button" onClick={() => setStep("shown")}>{TEXT.keep}</button>
        </div>
      )}
      {step === "shown" && status !== "deactivated" && (
        <div class="buttons">
          <button type="button" onClick={() => setStep("naming")}>{TEXT.rename}</button>
          <button type="button" onClick={() => setStep("revoking")}>{TEXT.revoke}</button>
        </div>
      )}
      {error !== null && <p role="alert">{error}</p>}
    </li>
  );
}

/** Everything of an account at once: as a file, or gone. */
import { useState } from "preact/hooks";
import { accountDeletionSchema } from "../../../contract/account.ts";
import { deviceResponseSchema } from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { accessEnded, isSignedIn, request } from "../client/api.ts";
import { useLoaded, useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { privacy: TEXT } = STRINGS;

/** Asks for the name that the server asks for: nobody deletes all by accident. */
function DeleteAll({ deviceName, onKeep }: { deviceName: string; onKeep: () => void }) {
  const [name, setName] = useState("");
  const { error, isBusy, run } = useSteps();
  const submit = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await request(`DELETE ${SERVER_PATHS.account}`, { schema: accountDeletionSchema, body: { name } });
      isSignedIn.value = false;
      accessEnded.value = false;
    });
  };
  return (
    <form class="buttons" onSubmit={submit} onKeyDown={(event) => event.key === "Escape" && onKeep()}>
      <p>{TEXT.allGoes}</p>
      <p>
        {TEXT.typeName} <bdi>{deviceName}</bdi>
      </p>
      <input
        autoFocus
        required
        autoComplete="off"
        aria-label={TEXT.deviceName}
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" class="danger" disabled={isBusy || name !== deviceName}>{TEXT.confirmAll}</button>
      <button type="button" onClick={onKeep}>{STRINGS.deleting.keep}</button>
      {error !== null && <p role="alert">{error}</p>}
    </form>
  );
}

/** Downloads and deletes the whole account. */
export function Account() {
  const [isAsking, setAsking] = useState(false);
  const { value } = useLoaded(() =>
    request(`GET ${SERVER_PATHS.currentDevice}`, { schema: deviceResponseSchema })
  );
  return (
    <section class="card" aria-label={TEXT.everything}>
      <h2>{TEXT.everything}</h2>
      <p>
        <a href={SERVER_PATHS.exportAccount} download>{TEXT.exportAll}</a>
      </p>
      {isAsking && value !== null
        ? <DeleteAll deviceName={value.device.name} onKeep={() => setAsking(false)} />
        : (
          <div class="buttons">
            <button type="button" disabled={value === null} onClick={() => setAsking(true)}>
              {TEXT.deleteAll}
            </button>
          </div>
        )}
    </section>
  );
}

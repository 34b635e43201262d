/** Approving a Mac or a browser that wants in, by the code that it shows. */
import { useState } from "preact/hooks";
import { deviceResponseSchema } from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { devices: TEXT } = STRINGS;

/** Lets in the device that shows a code. */
export function Approval(
  { title = TEXT.approve, onApproved }: { title?: string; onApproved?: () => Promise<void> },
) {
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
      await onApproved?.();
    });
  };
  return (
    <form class="card" onSubmit={submit}>
      <h2>{title}</h2>
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

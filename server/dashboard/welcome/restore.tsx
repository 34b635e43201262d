/** Restoring a backup into a server that nobody owns: the file, what opens it, and how far it is. */
import type { ComponentProps } from "preact";
import { useState } from "preact/hooks";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { type RestoreResponse, restoreResponseSchema } from "../../../contract/restore.ts";
import { useSteps } from "../client/loading.ts";
import { upload } from "../client/upload.ts";
import { STRINGS } from "../strings.ts";
import { dayOf, timeOf } from "../times.ts";

const { restore: TEXT } = STRINGS;

/** Fields of the form that are headers of the request. */
const HEADERS = ["backup-key", "setup-code"] as const;

/** Sends what the form has. @throws RequestError */
function send(form: FormData, onProgress: (share: number) => void): Promise<RestoreResponse> {
  const file = form.get("backup");
  const headers = HEADERS.map((name) => [name, String(form.get(name) ?? "").trim()] as const)
    .filter(([, value]) => value !== "");
  return upload(`${SERVER_PATHS.restore}?adapters=${form.has("adapters")}`, {
    schema: restoreResponseSchema,
    file: file instanceof File ? file : new Blob(),
    headers: { "content-type": "application/octet-stream", ...Object.fromEntries(headers) },
    onProgress,
  });
}

function TextField({ label, hint, ...input }: { label: string; hint: string } & ComponentProps<"input">) {
  return (
    <label>
      {label}
      <input autoComplete="off" title={hint} {...input} />
      <span class="quiet meta">{hint}</span>
    </label>
  );
}

/** How much of the file was sent; all of it: the server is at it. */
function Progress({ share }: { share: number }) {
  return (
    <>
      <progress max={1} value={share < 1 ? share : undefined} aria-label={TEXT.progress} />
      <p role="status">{share < 1 ? TEXT.sent(Math.floor(share * 100)) : TEXT.restoring}</p>
    </>
  );
}

/** The form, until the backup is there. */
export function Restore() {
  const [share, setShare] = useState(0);
  const [restored, setRestored] = useState<RestoreResponse | null>(null);
  const { error, isBusy, run } = useSteps();
  const submit = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setShare(0);
    run(async () => setRestored(await send(form, setShare)));
  };
  if (restored !== null) {
    const { createdAt, adapters, adaptersLeftOut } = restored;
    return (
      <p role="status">{TEXT.done(`${dayOf(createdAt)}, ${timeOf(createdAt)}`, adapters, adaptersLeftOut)}</p>
    );
  }
  return (
    <details class="restore">
      <summary>{TEXT.title}</summary>
      <p class="quiet">{TEXT.hint}</p>
      <form onSubmit={submit}>
        <label>
          {TEXT.file}
          <input required type="file" name="backup" />
        </label>
        <TextField label={TEXT.key} hint={TEXT.keyHint} name="backup-key" pattern="\s*[A-Z0-9\-]+\s*" />
        <TextField
          label={STRINGS.signIn.setupCode}
          hint={TEXT.setupCodeHint}
          name="setup-code"
          maxLength={40}
          pattern="\s*[A-Za-z0-9\-]+\s*"
        />
        <label class="check">
          <input type="checkbox" name="adapters" defaultChecked /> {TEXT.adapters}
        </label>
        {isBusy && <Progress share={share} />}
        {error !== null && <p role="alert">{error}</p>}
        <div class="buttons">
          <button type="submit" disabled={isBusy}>{TEXT.button}</button>
        </div>
      </form>
    </details>
  );
}

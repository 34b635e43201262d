/** Deleting something for good: first what would go with it is shown, then the person says so. */
import { useState } from "preact/hooks";
import { type Deletion, deletionSchema } from "../../contract/conversations.ts";
import { request } from "./client/api.ts";
import { useSteps } from "./client/loading.ts";
import { STRINGS } from "./strings.ts";

const { deleting: TEXT } = STRINGS;

/** @param props `path` is what is deleted by the API, a person by one `address`; `onGone` gets what went */
export function Deleting(
  { path, address, label = TEXT.delete, confirm, onGone }: {
    path: string;
    address?: string;
    label?: string;
    confirm: string;
    onGone: (deletion: Deletion) => void;
  },
) {
  const [preview, setPreview] = useState<Deletion | null>(null);
  const { error, isBusy, run } = useSteps();
  const remove = async (dryRun: boolean) =>
    address === undefined
      ? await request(`DELETE ${path}${dryRun ? "?dryRun=true" : ""}`, { schema: deletionSchema })
      : await request(`DELETE ${path}`, { schema: deletionSchema, body: { address, dryRun } });
  const ask = () => run(async () => setPreview(await remove(true)));
  return (
    <div class="buttons" onKeyDown={(event) => event.key === "Escape" && setPreview(null)}>
      {preview === null
        ? <button type="button" disabled={isBusy || address === ""} onClick={ask}>{label}</button>
        : (
          <>
            <p role="status">{TEXT.goes(preview)}</p>
            <button
              autoFocus
              type="button"
              class="danger"
              disabled={isBusy}
              onClick={() => run(async () => onGone(await remove(false)))}
            >
              {confirm}
            </button>
            <button type="button" onClick={() => setPreview(null)}>{TEXT.keep}</button>
          </>
        )}
      {error !== null && <p role="alert">{error}</p>}
    </div>
  );
}

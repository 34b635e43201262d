/** The base model and the adapters side by side: what each reached, why it is offered or not, and which one drafts. */
import { type Adapter, type ModelsResponse, modelsResponseSchema } from "../../../contract/models.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import { request } from "../client/api.ts";
import { useSteps } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";
import { dayOf, timeOf } from "../times.ts";
import { Comparison } from "./comparison.tsx";

const { training: TEXT } = STRINGS;

/** Asks for the adapters and which one is in use. @throws RequestError */
export function readModels(): Promise<ModelsResponse> {
  return request(`GET ${SERVER_PATHS.accountModels}`, { schema: modelsResponseSchema });
}

function Losses({ adapter }: { adapter: Adapter }) {
  const { baseLoss, examplesLoss, adapterLoss, heldOutSamples } = adapter;
  const rows = [[TEXT.base, baseLoss], [TEXT.withExamples, examplesLoss], [
    TEXT.thisAdapter,
    adapterLoss,
  ]] as const;
  const known = rows.flatMap(([, loss]) => loss ?? []);
  if (known.length === 0) return null;
  return (
    <table>
      <caption class="quiet">{TEXT.losses(heldOutSamples)}</caption>
      <tbody>
        {rows.map(([name, loss]) => (
          <tr key={name} class={loss !== null && loss === Math.min(...known) ? "best" : undefined}>
            <th scope="row">{name}</th>
            <td>{loss === null ? "–" : loss.toFixed(3)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function AdapterItem(
  { adapter, onPromote, isBusy }: { adapter: Adapter; onPromote: () => void; isBusy: boolean },
) {
  const { createdAt, state, offered, offerReason, fault, trainSamples } = adapter;
  return (
    <li class="card">
      <h2>
        {TEXT.adapter(`${dayOf(createdAt)}, ${timeOf(createdAt)}`)}
        <span class={state === "tainted" ? "badge alarming" : "badge"}>{TEXT.states[state]}</span>
      </h2>
      <p class="quiet">{TEXT.learnedFrom(trainSamples)}</p>
      <Losses adapter={adapter} />
      <p>{state === "tainted" ? TEXT.tainted : offerReason ?? (offered ? TEXT.offered : TEXT.notOffered)}</p>
      {fault !== null && <p role="alert">{TEXT.faults[fault]}</p>}
      {state !== "tainted" && <Comparison adapterId={adapter.id} />}
      {offered && (state === "staged" || state === "retired") && (
        <div class="buttons">
          <button type="button" class="primary" disabled={isBusy} onClick={onPromote}>{TEXT.promote}</button>
        </div>
      )}
    </li>
  );
}

/** Everything that can draft; `onChange` takes the state after a promotion or a way back. */
export function Adapters({ models, onChange }: { models: ModelsResponse; onChange: () => Promise<void> }) {
  const { error, isBusy, run } = useSteps();
  const post = (path: string) =>
    run(async () => {
      await request(`POST ${path}`, { schema: modelsResponseSchema, body: {} });
      await onChange();
    });
  const { baseModel, promotedAdapterId, texting, canRollback, adapters } = models;
  const isTexting = texting !== null && texting !== undefined && texting.probe !== "refused";
  return (
    <section aria-label={TEXT.adapters}>
      <h2>{TEXT.adapters}</h2>
      <p class="quiet">{TEXT.adaptersHint}</p>
      {error !== null && <p role="alert">{error}</p>}
      <ul class="cards">
        <li class="card">
          <h2>
            <bdi>{baseModel ?? TEXT.noModel}</bdi>
            {promotedAdapterId === null && <span class="badge">{TEXT.states.promoted}</span>}
          </h2>
          <p class="quiet">{isTexting ? TEXT.textingHint : TEXT.baseHint}</p>
          {canRollback && (
            <div class="buttons">
              <button type="button" disabled={isBusy} onClick={() => post(SERVER_PATHS.rollBackAdapter)}>
                {TEXT.rollBack}
              </button>
            </div>
          )}
        </li>
        {adapters.map((adapter) => (
          <AdapterItem
            key={adapter.id}
            adapter={adapter}
            isBusy={isBusy}
            onPromote={() => post(pathOf(SERVER_PATHS.promoteAdapter, { adapterId: adapter.id }))}
          />
        ))}
      </ul>
    </section>
  );
}

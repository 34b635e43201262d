/** Shows an account's adapters, promotes one, and rolls back. */
import { TEXTING_ADAPTER_ID } from "../../../contract/generation.ts";
import { type AdapterProof } from "../../../contract/ml.ts";
import type { Adapter, ModelsResponse } from "../../../contract/models.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { Caller } from "../../auth/authenticate.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { AcceptanceService } from "../acceptance/acceptance_service.ts";
import { appliedAdapterOf } from "../drafts/draft_generation.ts";
import type { Promotion } from "../../store/training/adapter_promotion.ts";
import type { AdapterStore } from "../../store/training/adapter_store.ts";
import type { Adapter as AdapterRow } from "../../store/schema.ts";

export interface ModelsServiceOptions {
  adapters: AdapterStore;
  ml: Pick<MlClient, "health">;
  /** How well the confidence of drafts says which are sent. */
  calibration: AcceptanceService["calibration"];
  /** How well the probability of a reply says what is answered. */
  replyCalibration: AcceptanceService["calibration"];
  /** Called when the outbox may have messages for ml: pruned adapters to delete. */
  onOutbox: () => void;
}

export interface ModelsService {
  get(caller: Caller): Promise<ModelsResponse>;
  /** @throws ApiError `not_found`, or `conflict` when the gate did not offer the adapter or it is tainted */
  promote(caller: Caller, adapterId: string): Promise<ModelsResponse>;
  /** @throws ApiError `conflict` when the base model is in use already */
  rollBack(caller: Caller): Promise<ModelsResponse>;
}

function adapterOf(row: AdapterRow, proofs: readonly AdapterProof[]): Adapter {
  const proof = proofs.find(({ id }) => id === row.id);
  return {
    id: row.id,
    jobId: row.jobId,
    baseModel: row.baseModel,
    state: row.state,
    offered: row.offered,
    offerReason: row.offerReason,
    baseLoss: row.baseLoss,
    examplesLoss: row.examplesLoss,
    adapterLoss: row.adapterLoss,
    heldOutSamples: row.heldOutSamples,
    trainSamples: row.trainSamples,
    fault: row.fault,
    applied: proof === undefined ? null : appliedAdapterOf(proof),
    createdAt: row.createdAt.toISOString(),
    promotedAt: row.promotedAt?.toISOString() ?? null,
  };
}

/** What ml serves; nothing while it cannot be asked. */
async function served(
  ml: ModelsServiceOptions["ml"],
): Promise<{ baseModel: string | null; proofs: readonly AdapterProof[] }> {
  try {
    const { model_version: baseModel, adapters: proofs = [] } = await ml.health();
    return { baseModel, proofs };
  } catch (error) {
    if (error instanceof ApiError) return { baseModel: null, proofs: [] };
    throw error;
  }
}

async function showing(
  { adapters, ml, calibration, replyCalibration }: ModelsServiceOptions,
  accountId: string,
): Promise<ModelsResponse> {
  const [rows, { baseModel, proofs }, acceptance, trigger] = await Promise.all([
    adapters.list(accountId),
    served(ml),
    calibration(accountId),
    replyCalibration(accountId),
  ]);
  const texting = proofs.find(({ id }) => id === TEXTING_ADAPTER_ID);
  return {
    baseModel,
    promotedAdapterId: rows.find(({ state }) => state === "promoted")?.id ?? null,
    texting: texting === undefined ? null : appliedAdapterOf(texting),
    canRollback: rows.some(({ state }) => state === "promoted" || state === "retired"),
    adapters: rows.map((row) => adapterOf(row, proofs)),
    acceptance,
    trigger,
  };
}

function refusalOf(refusal: Exclude<Promotion, { outcome: "promoted" }>): ApiError {
  switch (refusal.outcome) {
    case "not_found":
      return new ApiError("not_found", "There is no adapter with this id");
    case "not_offered":
      return new ApiError(
        "conflict",
        `The adapter is not offered: ${
          refusal.reason ?? "it did no better than the base model on the replies kept out of training"
        }`,
      );
    case "tainted":
      return new ApiError(
        "conflict",
        "The adapter learned from something that was deleted since: train a new one",
      );
  }
}

/** Makes the models service. */
export function createModelsService(options: ModelsServiceOptions): ModelsService {
  const { adapters, onOutbox } = options;
  return {
    get: ({ accountId }) => showing(options, accountId),
    async promote({ accountId }, adapterId) {
      const promotion = await adapters.promote(accountId, adapterId);
      if (promotion.outcome !== "promoted") throw refusalOf(promotion);
      onOutbox();
      return await showing(options, accountId);
    },
    async rollBack({ accountId }) {
      const { outcome } = await adapters.rollBack(accountId);
      if (outcome === "nothing") {
        throw new ApiError("conflict", "There is nothing to roll back: drafts are made with the base model");
      }
      onOutbox();
      return await showing(options, accountId);
    },
  };
}

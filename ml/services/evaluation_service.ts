/** Owns the evaluation of samples as the wire sees it: each sample's likelihood and the loss of them all. */
import type { EvaluateRequest, EvaluateResponse } from "../../contract/ml.ts";
import type { Engine } from "../engine/engine.ts";
import type { AdapterService } from "./adapter_service.ts";

export interface EvaluationService {
  /** Throws ApiError as {@linkcode Engine} and {@linkcode AdapterService} do; the signal's reason when it aborts. */
  evaluate(request: EvaluateRequest, options: { signal?: AbortSignal }): Promise<EvaluateResponse>;
}

/** Makes the service. */
export function createEvaluationService(
  { engine, adapters }: { engine: Engine; adapters: Pick<AdapterService, "require"> },
): EvaluationService {
  return {
    async evaluate({ samples, adapter_id: adapterId }, options) {
      const adapter = adapterId === undefined ? undefined : await adapters.require(adapterId);
      const likelihoods = await engine.evaluate({ samples, adapter }, options);
      const tokens = likelihoods.reduce((sum, likelihood) => sum + likelihood.tokens, 0);
      const logLikelihood = likelihoods.reduce((sum, likelihood) => sum + likelihood.logLikelihood, 0);
      return {
        tokens,
        log_likelihood: logLikelihood,
        loss: tokens === 0 ? 0 : -logLikelihood / tokens,
        samples: likelihoods.map((likelihood) => ({
          tokens: likelihood.tokens,
          log_likelihood: likelihood.logLikelihood,
        })),
      };
    },
  };
}

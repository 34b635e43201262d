/** Owns the evaluation of samples as the wire sees it: each sample's likelihood and the loss of them all. */
import type { EvaluateRequest, EvaluateResponse } from "../../contract/ml.ts";
import type { Engine } from "../engine/engine.ts";

export interface EvaluationService {
  /** Throws ApiError as {@linkcode Engine} does; the signal's reason when it aborts. */
  evaluate(request: EvaluateRequest, options: { signal?: AbortSignal }): Promise<EvaluateResponse>;
}

/** Makes the service. */
export function createEvaluationService(engine: Engine): EvaluationService {
  return {
    async evaluate({ samples, adapter_id: adapterId }, options) {
      const likelihoods = await engine.evaluate({ samples, adapterId }, options);
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

/** Owns `POST /evaluate`: how probable the model finds replies that were really given. */
import { evaluateRequestSchema, evaluateResponseSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { createRoute } from "../../deps.ts";
import { createRoutes, errorResponses, jsonBody, jsonResponse } from "../../lib/http/app.ts";
import type { EvaluationService } from "../services/evaluation_service.ts";

const evaluate = createRoute({
  method: "post",
  path: ML_PATHS.evaluate,
  summary: "Says how probable the model finds replies that were really given",
  request: { body: jsonBody(evaluateRequestSchema) },
  responses: {
    200: jsonResponse(evaluateResponseSchema, "Log-likelihoods and their loss"),
    ...errorResponses(400, 401, 404, 413, 501, 503),
  },
});

/** The route of evaluation. */
export function evaluationRoutes({ evaluation }: { evaluation: EvaluationService }) {
  return createRoutes().openapi(evaluate, async (c) => {
    const { signal } = c.req.raw;
    return c.json(await evaluation.evaluate(c.req.valid("json"), { signal }), 200);
  });
}

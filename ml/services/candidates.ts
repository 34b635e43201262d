/** Several replies to one prompt: the request of each, and what is answered with. */
import type { GenerateRequest, GenerateResult } from "../../contract/ml.ts";
import { MAX_SEED } from "../../contract/scalars.ts";

/** The seed of a candidate: another one for each, the first as for a single reply. */
export function seedOf(seed: number, index: number): number {
  return (seed + index) % (MAX_SEED + 1);
}

/** The request of one candidate; they are cached apart. */
export function candidateRequestOf(request: GenerateRequest, index: number): GenerateRequest {
  const { seed, cache_key: key } = request;
  return {
    ...request,
    ...(seed === undefined ? {} : { seed: seedOf(seed, index) }),
    ...(key === undefined || index === 0 ? {} : { cache_key: `${key}#${index + 1}` }),
  };
}

/** The most confident one, with all of them as its candidates. */
export function withCandidates(results: readonly GenerateResult[], seed: number | undefined): GenerateResult {
  const ranked = results.map((result, index) => ({ result, index }))
    .sort((a, b) => b.result.confidence - a.result.confidence);
  const candidates = ranked.map(({ result: { model_version: _, adapter: __, ...reply }, index }) => {
    return { ...reply, ...(seed === undefined ? {} : { seed: seedOf(seed, index) }) };
  });
  const [best] = ranked;
  if (best === undefined) throw new RangeError("There are no candidates");
  return { ...best.result, candidates };
}

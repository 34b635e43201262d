/** Measures the probe of adapters at the end of a training, for the proof that the adapter is applied where it is served. */
import {
  PROBE_CONTEXT_TOKENS,
  PROBE_SAMPLES,
  PROBE_VERSION,
  type ProbeFigures,
} from "../../engine/adapter_probe.ts";
import type { SampleTokenizer } from "../../engine/llama/sample_tokenizer.ts";
import type { TokenSample, Trainer } from "../trainer.ts";

/** The probe's samples as the engine tokenizes them. */
export function probeTokens(tokenizer: Pick<SampleTokenizer, "tokenize">): TokenSample[] {
  return PROBE_SAMPLES.flatMap((sample) => {
    return tokenizer.tokenize(sample, { maxTokens: PROBE_CONTEXT_TOKENS }) ?? [];
  });
}

async function meanLogs(
  trainer: Pick<Trainer, "evaluate">,
  probe: readonly TokenSample[],
  adapterScale: 0 | 1,
): Promise<number[]> {
  const likelihoods = await trainer.evaluate(probe, { adapterScale });
  return likelihoods.map(({ tokens, logLikelihood }) => logLikelihood / tokens);
}

/** What the trainer's adapter makes of the probe, and the base model. */
export async function measureProbe(
  trainer: Pick<Trainer, "evaluate">,
  probe: readonly TokenSample[],
): Promise<ProbeFigures> {
  const base = await meanLogs(trainer, probe, 0);
  return { version: PROBE_VERSION, base, adapter: await meanLogs(trainer, probe, 1) };
}

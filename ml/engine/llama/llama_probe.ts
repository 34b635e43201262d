/** Runs the probe of adapters on a loaded model: see `adapter_probe.ts`. */
import type { JinjaTemplateChatWrapper, LlamaModel } from "node-llama-cpp";
import {
  type AdapterProof,
  judgeProbe,
  PROBE_CONTEXT_TOKENS,
  PROBE_SAMPLES,
  PROBE_VERSION,
} from "../adapter_probe.ts";
import { endOfTurnTokens } from "../chat_prompt.ts";
import type { AdapterFile } from "../engine.ts";
import type { DecodeLoop } from "../libllama/decode_loop.ts";
import { logProbability } from "../libllama/logits.ts";
import { NativeContext } from "../libllama/native_context.ts";
import type { NativeAdapter, NativeModel } from "../libllama/native_model.ts";
import { type SampleTokens, sampleTokens } from "./sample_tokens.ts";

/** The only sequence of the probe's own context. */
const SEQUENCE = 0;

/** A model in memory, and the loop that evaluates on it. */
export interface EvaluatedModel {
  readonly native: NativeModel;
  readonly loop: DecodeLoop;
  /** Its vocabulary. */
  readonly model: LlamaModel;
  readonly template: JinjaTemplateChatWrapper | null;
}

/** The probe's samples, with the end-of-turn token after each reply, as in training. */
function tokensOf({ model, template }: EvaluatedModel): SampleTokens[] {
  const endOfTurn = endOfTurnTokens({ template, model });
  const contextSize = PROBE_CONTEXT_TOKENS - endOfTurn.length;
  return PROBE_SAMPLES.map((sample) => {
    const { prompt, reply } = sampleTokens(sample, { model, template, contextSize });
    return { prompt, reply: [...reply, ...endOfTurn] };
  });
}

/** Mean log-probability of a reply's tokens, on a sequence that is cleared before. */
async function meanLog(context: NativeContext, { prompt, reply }: SampleTokens): Promise<number> {
  context.keep(SEQUENCE, 0);
  const tokens = [...prompt, ...reply.slice(0, -1)];
  const rows = tokens.map((token, position) => {
    return { sequence: SEQUENCE, token, position, wanted: position >= prompt.length - 1 };
  });
  await context.decode(rows);
  const first = rows.length - reply.length;
  const logs = reply.map((token, index) => logProbability(context.logits(first + index), token));
  return logs.reduce((sum, log) => sum + log, 0) / logs.length;
}

/** The probe's figures with an adapter, or of the model alone: nothing else is evaluated meanwhile. */
function measure(model: EvaluatedModel, adapter: NativeAdapter | null): Promise<number[]> {
  const samples = tokensOf(model);
  const outputs = Math.max(...samples.map(({ reply }) => reply.length));
  const sizes = { contextSize: PROBE_CONTEXT_TOKENS, sequences: 1, threads: 1, outputs };
  return model.loop.between(async () => {
    using context = await NativeContext.create(model.native, sizes);
    context.use(adapter);
    const figures: number[] = [];
    for (const sample of samples) figures.push(await meanLog(context, sample));
    return figures;
  });
}

/** Proves adapters on one model. */
export class ModelProbe {
  readonly #model: EvaluatedModel;
  /** Of the model alone: measured once. */
  #base: number[] | undefined;

  constructor(model: EvaluatedModel) {
    this.#model = model;
  }

  /**
   * Measures what an adapter's weights in memory change.
   *
   * @throws UnprovenAdapterError when they do not change the model, or not as they did in training
   */
  async prove(weights: NativeAdapter, { id, probe: stored }: AdapterFile): Promise<AdapterProof> {
    const base = this.#base ??= await measure(this.#model, null);
    const adapter = await measure(this.#model, weights);
    return judgeProbe(id, { version: PROBE_VERSION, base, adapter }, { stored });
  }
}

/**
 * The proof that an adapter is applied: a fixed exchange, the log-probabilities of its replies with the adapter and
 * without it, and what their difference must be.
 */
import type { ErrorCode } from "../../contract/errors.ts";
import { z } from "../../deps.ts";
import { ApiError } from "../../lib/errors.ts";
import { DamagedAdapterError, ModelError } from "../models/model_file.ts";

/** Figures of another version are of other replies, and are not compared. */
export const PROBE_VERSION = 1;
/** The probe's longest prompt and reply together, with room for any tokenizer. */
export const PROBE_CONTEXT_TOKENS = 256;

const PROBE_INPUT = "Them: are you coming tonight?\nMe:";
const PROBE_OUTPUTS = ["yes! see you at 8", "Sorry, I can't tonight.", "haha maybe, why?"];

/** The fixed probe: several replies to one message, so that the message is evaluated once. */
export const PROBE_SAMPLES: readonly { input: string; output: string }[] = PROBE_OUTPUTS.map((output) => ({
  input: PROBE_INPUT,
  output,
}));

/** Mean natural log-probability per token of each of the probe's replies, end-of-turn tokens included. */
export const probeFiguresSchema = z.object({
  version: z.int(),
  base: z.array(z.number()),
  adapter: z.array(z.number()),
});
export type ProbeFigures = z.infer<typeof probeFiguresSchema>;

/**
 * What the probe showed of an adapter on the loaded model. `agrees`: it changes the model as it did in training.
 * `measured`: it changes the model, and nothing was stored in training to compare with.
 */
export const adapterProofSchema = z.object({
  probe: z.enum(["agrees", "measured"]),
  /** How far it moves the log-probability of a token of the probe, as a root mean square over the replies. */
  shift: z.number(),
  /** The same as the trainer stored it. */
  expectedShift: z.number().nullable(),
});
export type AdapterProof = z.infer<typeof adapterProofSchema>;

/** The probe shows that an adapter is not applied, or not as it was trained. */
export class UnprovenAdapterError extends ModelError {}

function codeOf(error: ModelError): ErrorCode {
  if (error instanceof DamagedAdapterError) return "adapter_damaged";
  return error instanceof UnprovenAdapterError ? "adapter_unproven" : "conflict";
}

/** What is wrong with one adapter must not look like a fault of the service, for which all its callers wait. */
export function adapterFault(error: ModelError): ApiError {
  return new ApiError(codeOf(error), error.message, { cause: error });
}

/**
 * Below it the probe's numbers are those of the model alone. Two contexts of one model agree to the last digit on a
 * CPU; the weakest adapter of the tests, two steps of training, moves them by more than a hundred times as much.
 */
const SILENT_SHIFT = 1e-5;
/**
 * Trainer and llama.cpp round weights and activations differently. What that alone makes is seen on the base model,
 * where both should have the same numbers; beyond so many times of it, and this share of the trained shift, it is another
 * adapter, or one of another strength.
 */
const ROUNDING_TOLERANCE = 2;
const SHIFT_TOLERANCE = 0.25;
/** Rounding can cancel out on the base model by chance. */
const LEAST_TOLERANCE = 0.005;

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

function shiftsOf({ base, adapter }: ProbeFigures): number[] {
  return adapter.map((value, index) => value - (base[index] ?? NaN));
}

function format(value: number): string {
  return value.toPrecision(3);
}

/**
 * Judges an adapter by what the probe measured on the model that serves it.
 *
 * @param options `stored`: what the trainer measured; null for an adapter without
 * @throws UnprovenAdapterError when the adapter does not change the model, or not as it did in training
 */
export function judgeProbe(
  id: string,
  measured: ProbeFigures,
  { stored }: { stored: ProbeFigures | null },
): AdapterProof {
  const shifts = shiftsOf(measured);
  const shift = rootMeanSquare(shifts);
  if (!Number.isFinite(shift)) {
    throw new UnprovenAdapterError(
      `The model does not answer with numbers once the adapter ${id} is on it`,
    );
  }
  if (shift <= SILENT_SHIFT) {
    throw new UnprovenAdapterError(
      `The adapter ${id} does not change the model: its replies would be the base model's`,
    );
  }
  if (stored === null || stored.version !== measured.version) {
    return { probe: "measured", shift, expectedShift: null };
  }
  const expected = shiftsOf(stored);
  const expectedShift = rootMeanSquare(expected);
  const deviation = rootMeanSquare(shifts.map((value, index) => value - (expected[index] ?? NaN)));
  const rounding = rootMeanSquare(measured.base.map((value, index) => value - (stored.base[index] ?? NaN)));
  const tolerance = LEAST_TOLERANCE + ROUNDING_TOLERANCE * rounding + SHIFT_TOLERANCE * expectedShift;
  if (!(deviation <= tolerance)) {
    throw new UnprovenAdapterError(
      `The adapter ${id} does not change the model as it did in training: on the probe it moves a token's ` +
        `log-probability by ${format(shift)} and was trained to move it by ${format(expectedShift)}; ` +
        `they differ by ${format(deviation)}`,
    );
  }
  return { probe: "agrees", shift, expectedShift };
}

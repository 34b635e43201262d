/** Owns the sizes of a micro-batch's graph and the tensors that carry the batch into it. */
import type { Tensor } from "../ggml/handles.ts";
import { F32, I32, type TensorContext } from "../ggml/tensor_context.ts";
import { type AttentionInputs, blockEnds } from "./attention_inputs.ts";

/** Sizes that fix a graph. */
export interface BatchShape {
  /** Packed rows: the tokens of all samples, and rows of no sample that fill up to a multiple of 16. */
  rows: number;
  samples: number;
  /** See `AttentionInputs.paddedLength`. */
  paddedLength: number;
  /** Rows whose next token is predicted, and rows of no sample that fill up. */
  predictedRows: number;
}

/** Input tensors of a graph; `micro_batch.ts` says what they hold. */
export interface BatchInputs {
  attention: AttentionInputs;
  /** [rows]: token ids. */
  tokens: Tensor;
  /** [predictedRows]: the packed row of each prediction. */
  predicted: Tensor;
  /** [predictedRows]: the padded row of each prediction. */
  predictedFromPadded: Tensor;
  /** [rows]: the prediction that each packed row is; rows that predict nothing name one without weight. */
  toPredicted: Tensor;
  /** [paddedLength · samples]: the prediction that each padded row is, likewise. */
  paddedToPredicted: Tensor;
  /** [predictedRows]: where each row's next token lies in the flattened [vocabulary, predictedRows] matrix. */
  labels: Tensor;
  /** [1, predictedRows]: the share of each prediction in the loss. */
  shares: Tensor;
}

/** Makes the input tensors of a graph. */
export function batchInputs(context: TensorContext, shape: BatchShape): BatchInputs {
  const { rows, samples, paddedLength, predictedRows } = shape;
  const indices = (length: number) => context.input(I32, [length]);
  return {
    attention: {
      samples,
      paddedLength,
      toPadded: indices(paddedLength * samples),
      ownToPadded: indices(paddedLength * samples),
      toPacked: indices(rows),
      positions: indices(paddedLength),
      blocks: blockEnds(paddedLength).map((end, index, ends) => {
        const first = ends[index - 1] ?? 0;
        return { first, end, mask: context.input(F32, [end, end - first]) };
      }),
    },
    tokens: indices(rows),
    predicted: indices(predictedRows),
    predictedFromPadded: indices(predictedRows),
    toPredicted: indices(rows),
    paddedToPredicted: indices(paddedLength * samples),
    labels: indices(predictedRows),
    shares: context.input(F32, [1, predictedRows]),
  };
}

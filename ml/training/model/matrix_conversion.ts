/** Converts a file's matrices, a block of rows at a time, into the types that training multiplies by. */
import { type CpuBackend, memoryOf } from "../ggml/backend.ts";
import { GGML_TYPE, type TypeName } from "../ggml/constants.ts";
import type { GgufFile, GgufTensorInfo } from "../ggml/gguf_file.ts";
import type { GraphHandle, Tensor } from "../ggml/ffi.ts";
import { quietly } from "../ggml/library.ts";
import { F32, TensorContext } from "../ggml/tensor_context.ts";
import { type CopyPlan, matrixBytes, type MatrixPlan } from "./weight_plan.ts";

/** A matrix [columns, rows] for the forward pass, and [rows, columns] for the backward pass. */
export interface FrozenMatrix {
  forward: Tensor;
  backward: Tensor | null;
}

/** Rows converted at a time: bounds the memory of a large vocabulary as 32-bit floats. */
const ROWS_AT_ONCE = 4_096;

/** Converts rows of one source tensor into both copies. */
class RowConverter implements Disposable {
  readonly #backend: CpuBackend;
  readonly #context: TensorContext;
  readonly #graph: GraphHandle;
  readonly #source: Tensor;
  readonly #forward: Tensor;
  readonly #backward: Tensor | null;
  readonly #free: () => void;

  constructor(backend: CpuBackend, plan: MatrixPlan, options: { type: TypeName; rows: number }) {
    const { columns } = plan;
    const { type, rows } = options;
    const context = new TensorContext(backend.ggml, { tensors: 16, graphNodes: 16 });
    this.#backend = backend;
    this.#context = context;
    this.#graph = context.graph(16);
    this.#source = context.tensor(GGML_TYPE[type], [columns, rows]);
    const floats = context.copy(this.#source, context.tensor(F32, [columns, rows]));
    this.#forward = this.#result(floats, context.tensor(GGML_TYPE[plan.forward.type], [columns, rows]));
    this.#backward = plan.backward && this.#result(
      context.contiguous(context.transpose(floats)),
      context.tensor(GGML_TYPE[plan.backward.type], [rows, columns]),
    );
    const buffer = backend.allocate(context.handle);
    this.#free = () => backend.ggml.ggml_backend_buffer_free(buffer);
  }

  #result(from: Tensor, to: Tensor): Tensor {
    const result = this.#context.copy(from, to);
    this.#context.expand(this.#graph, result);
    return result;
  }

  async convert(
    read: (into: Uint8Array) => void,
  ): Promise<{ forward: Uint8Array; backward: Uint8Array | null }> {
    const { ggml } = this.#backend;
    read(memoryOf(ggml, this.#source));
    await this.#backend.compute(this.#graph);
    return {
      forward: memoryOf(ggml, this.#forward),
      backward: this.#backward && memoryOf(ggml, this.#backward),
    };
  }

  [Symbol.dispose](): void {
    this.#free();
    this.#context[Symbol.dispose]();
  }
}

/** Writes a transposed block into the full transposed matrix, at the columns from `firstRow` on. */
function placeColumns(
  block: Uint8Array,
  into: Uint8Array,
  options: { plan: MatrixPlan; type: TypeName; firstRow: number; rows: number },
): void {
  const { plan, type, firstRow, rows } = options;
  const blockRowBytes = matrixBytes(type, rows, { rows: 1 });
  const rowBytes = matrixBytes(type, plan.rows, { rows: 1 });
  const start = matrixBytes(type, firstRow, { rows: 1 });
  for (let column = 0; column < plan.columns; column++) {
    const from = column * blockRowBytes;
    into.set(block.subarray(from, from + blockRowBytes), column * rowBytes + start);
  }
}

/** Rows of a source tensor that are converted together. */
interface Piece {
  source: GgufTensorInfo;
  rows: number;
  /** Its first row in the joined matrix. */
  firstRow: number;
}

/** Splits the sources into pieces that start at block boundaries of the transposed copy. */
function piecesOf(plan: MatrixPlan): Piece[] {
  const pieces: Piece[] = [];
  let firstRow = 0;
  for (const source of plan.sources) {
    const end = firstRow + source.sizeBytes / matrixBytes(source.type, plan.columns, { rows: 1 });
    while (firstRow < end) {
      const rows = Math.min(ROWS_AT_ONCE, end - firstRow);
      pieces.push({ source, rows, firstRow });
      firstRow += rows;
    }
  }
  return pieces;
}

/** The byte range of a piece within its source. */
function bytesOf(
  { source, rows }: Piece,
  plan: MatrixPlan,
  options: { skippedRows: number },
): GgufTensorInfo {
  const rowBytes = matrixBytes(source.type, plan.columns, { rows: 1 });
  return {
    ...source,
    offsetBytes: source.offsetBytes + options.skippedRows * rowBytes,
    sizeBytes: rows * rowBytes,
  };
}

/** Where a copy is assembled: in its own memory, or for a matrix unit in a staging buffer that is laid out at the end. */
function stageCopy(
  backend: CpuBackend,
  tensor: Tensor,
  plan: CopyPlan,
): { bytes: Uint8Array; finish(): void } {
  const { ggml } = backend;
  if (!plan.inMatrixUnit) return { bytes: memoryOf(ggml, tensor), finish: () => {} };
  const bytes = new Uint8Array(Number(ggml.ggml_nbytes(tensor)));
  const finish = () =>
    quietly(ggml, () => ggml.ggml_backend_tensor_set(tensor, bytes, 0n, BigInt(bytes.length)));
  return { bytes, finish };
}

/** Reads a matrix from its file into its two copies. */
export async function fillMatrix(
  backend: CpuBackend,
  file: GgufFile,
  options: { plan: MatrixPlan; matrix: FrozenMatrix },
): Promise<void> {
  const { plan, matrix } = options;
  const forward = stageCopy(backend, matrix.forward, plan.forward);
  const backward = matrix.backward && plan.backward && stageCopy(backend, matrix.backward, plan.backward);
  let sourceStart = 0;
  let last: GgufTensorInfo | undefined;
  for (const piece of piecesOf(plan)) {
    if (piece.source !== last) [last, sourceStart] = [piece.source, piece.firstRow];
    const bytes = bytesOf(piece, plan, { skippedRows: piece.firstRow - sourceStart });
    using converter = new RowConverter(backend, plan, { type: piece.source.type, rows: piece.rows });
    const converted = await converter.convert((into) => file.readTensor(bytes, into));
    forward.bytes.set(
      converted.forward,
      matrixBytes(plan.forward.type, plan.columns, { rows: piece.firstRow }),
    );
    if (backward && converted.backward && plan.backward) {
      placeColumns(converted.backward, backward.bytes, { plan, type: plan.backward.type, ...piece });
    }
  }
  forward.finish();
  backward?.finish();
}

/** The bytes of a vector of the file as 32-bit floats. */
export async function readFloats(
  backend: CpuBackend,
  file: GgufFile,
  info: GgufTensorInfo,
): Promise<Uint8Array> {
  const plan: MatrixPlan = {
    sources: [info],
    columns: info.shape[0],
    rows: 1,
    forward: { type: "f32", inMatrixUnit: false },
    backward: null,
  };
  using converter = new RowConverter(backend, plan, { type: info.type, rows: 1 });
  const { forward } = await converter.convert((into) => file.readTensor(info, into));
  return forward.slice();
}

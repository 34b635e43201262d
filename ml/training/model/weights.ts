/** Loads a model's frozen weights, with transposed copies for the backward pass. */
import { type CpuBackend, memoryOf } from "../ggml/backend.ts";
import { GGML_TYPE } from "../ggml/constants.ts";
import type { GgufFile, GgufTensorInfo } from "../ggml/gguf_file.ts";
import type { BufferHandle, Tensor } from "../ggml/ffi.ts";
import { matrixUnitMemory } from "../ggml/matrix_unit.ts";
import { F32, TensorContext } from "../ggml/tensor_context.ts";
import { fillMatrix, type FrozenMatrix, readFloats } from "./matrix_conversion.ts";
import {
  type CopyPlan,
  LAYER_NORMS,
  type LayerNorm,
  type LayerPlan,
  type MatrixPlan,
  type WeightPlan,
} from "./weight_plan.ts";

export interface LayerWeights {
  /** Null for a norm that the architecture lacks. */
  norms: Readonly<Record<LayerNorm, Tensor | null>>;
  /** Rows of query, key and value. */
  qkv: FrozenMatrix;
  /** [rows of all three]; null without. */
  qkvBias: Tensor | null;
  attentionOutput: FrozenMatrix;
  gate: FrozenMatrix;
  up: FrozenMatrix;
  down: FrozenMatrix;
}

const TENSORS_PER_LAYER = 20;
const OTHER_TENSORS = 8;

/** The weights of a model. */
export class ModelWeights implements Disposable {
  readonly embedding: Tensor;
  readonly output: FrozenMatrix;
  readonly outputNorm: Tensor;
  /** Divisors of the rotation frequencies (Llama 3); null in most models. */
  readonly ropeFactors: Tensor | null;
  readonly layers: readonly LayerWeights[];
  readonly #backend: CpuBackend;
  readonly #file: GgufFile;
  readonly #context: TensorContext;
  /** The context of tensors in the memory of the processor's matrix unit. */
  readonly #unitContext: TensorContext;
  readonly #fillings: (() => Promise<void> | void)[] = [];
  readonly #buffers: BufferHandle[] = [];
  #unitTensors = 0;

  private constructor(backend: CpuBackend, file: GgufFile, plan: WeightPlan) {
    this.#backend = backend;
    this.#file = file;
    const tensors = plan.layers.length * TENSORS_PER_LAYER + OTHER_TENSORS;
    this.#context = new TensorContext(backend.ggml, { tensors });
    this.#unitContext = new TensorContext(backend.ggml, { tensors });
    this.output = this.#matrix(plan.output);
    this.embedding = plan.embedding === null ? this.output.forward : this.#asItIs(plan.embedding);
    this.outputNorm = this.#floats([plan.outputNorm]);
    this.ropeFactors = plan.ropeFactors && this.#floats([plan.ropeFactors]);
    this.layers = plan.layers.map((layer) => this.#layer(layer));
  }

  /**
   * Reads and converts all weights, in about the time of reading the file and one pass over memory.
   *
   * @throws TrainingError `out_of_memory`, `model_unreadable`
   */
  static async load(
    backend: CpuBackend,
    file: GgufFile,
    options: { plan: WeightPlan },
  ): Promise<ModelWeights> {
    const weights = new ModelWeights(backend, file, options.plan);
    try {
      weights.#allocate();
      for (const fill of weights.#fillings.splice(0)) await fill();
      return weights;
    } catch (error) {
      weights[Symbol.dispose]();
      throw error;
    }
  }

  #allocate(): void {
    const backend = this.#backend;
    this.#buffers.push(backend.allocate(this.#context.handle));
    const memory = matrixUnitMemory(backend.ggml);
    if (this.#unitTensors > 0 && memory !== null) {
      this.#buffers.push(backend.allocate(this.#unitContext.handle, { memory }));
    }
  }

  #layer(plan: LayerPlan): LayerWeights {
    const norms = Object.fromEntries(
      (Object.keys(LAYER_NORMS) as LayerNorm[]).map((of) => {
        const info = plan.norms[of];
        return [of, info && this.#floats([info])];
      }),
    ) as LayerWeights["norms"];
    return {
      norms,
      qkv: this.#matrix(plan.qkv),
      qkvBias: plan.qkvBiases && this.#floats(plan.qkvBiases),
      attentionOutput: this.#matrix(plan.attentionOutput),
      gate: this.#matrix(plan.gate),
      up: this.#matrix(plan.up),
      down: this.#matrix(plan.down),
    };
  }

  #matrix(plan: MatrixPlan): FrozenMatrix {
    const { columns, rows } = plan;
    const matrix = {
      forward: this.#copy(plan.forward, { columns, rows }),
      backward: plan.backward && this.#copy(plan.backward, { columns: rows, rows: columns }),
    };
    this.#fillings.push(() => fillMatrix(this.#backend, this.#file, { plan, matrix }));
    return matrix;
  }

  #copy({ type, inMatrixUnit }: CopyPlan, { columns, rows }: { columns: number; rows: number }): Tensor {
    if (inMatrixUnit) this.#unitTensors++;
    const context = inMatrixUnit ? this.#unitContext : this.#context;
    return context.tensor(GGML_TYPE[type], [columns, rows]);
  }

  #asItIs(info: GgufTensorInfo): Tensor {
    const tensor = this.#context.tensor(GGML_TYPE[info.type], info.shape);
    this.#fillings.push(() => this.#file.readTensor(info, memoryOf(this.#backend.ggml, tensor)));
    return tensor;
  }

  /** Vectors joined one after another, such as norms and biases: always 32-bit floats, in files of any type. */
  #floats(parts: readonly GgufTensorInfo[]): Tensor {
    const lengths = parts.map(({ shape }) => shape[0]);
    const tensor = this.#context.tensor(F32, [lengths.reduce((sum, length) => sum + length, 0)]);
    this.#fillings.push(async () => {
      const bytes = memoryOf(this.#backend.ggml, tensor);
      let offset = 0;
      for (const info of parts) {
        const numbers = await readFloats(this.#backend, this.#file, info);
        bytes.set(numbers, offset);
        offset += numbers.length;
      }
    });
    return tensor;
  }

  [Symbol.dispose](): void {
    for (const buffer of this.#buffers.splice(0)) this.#backend.ggml.ggml_backend_buffer_free(buffer);
    this.#unitContext[Symbol.dispose]();
    this.#context[Symbol.dispose]();
  }
}

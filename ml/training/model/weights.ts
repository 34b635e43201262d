/** Owns a model's frozen weights in memory, converted once at load, with transposed copies for the backward pass. */
import type { CpuBackend } from "../ggml/backend.ts";
import { GGML_TYPE } from "../ggml/constants.ts";
import type { GgufFile, GgufTensorInfo } from "../ggml/gguf_file.ts";
import type { BufferHandle, Tensor } from "../ggml/handles.ts";
import { F32, TensorContext } from "../ggml/tensor_context.ts";
import { memoryOf } from "../ggml/tensor_memory.ts";
import { fillMatrix, type FrozenMatrix } from "./matrix_conversion.ts";
import type { LayerPlan, MatrixPlan, WeightPlan } from "./weight_plan.ts";

export interface LayerWeights {
  attentionNorm: Tensor;
  feedForwardNorm: Tensor;
  /** Rows of query, key and value. */
  qkv: FrozenMatrix;
  attentionOutput: FrozenMatrix;
  gate: FrozenMatrix;
  up: FrozenMatrix;
  down: FrozenMatrix;
}

const TENSORS_PER_LAYER = 12;
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
  readonly #fillings: (() => Promise<void> | void)[] = [];
  #buffer: BufferHandle | null = null;

  private constructor(backend: CpuBackend, file: GgufFile, plan: WeightPlan) {
    this.#backend = backend;
    this.#file = file;
    this.#context = new TensorContext(backend.ggml, {
      tensors: plan.layers.length * TENSORS_PER_LAYER + OTHER_TENSORS,
    });
    this.output = this.#matrix(plan.output);
    this.embedding = plan.embedding === null ? this.output.forward : this.#asItIs(plan.embedding);
    this.outputNorm = this.#floats(plan.outputNorm);
    this.ropeFactors = plan.ropeFactors && this.#floats(plan.ropeFactors);
    this.layers = plan.layers.map((layer) => this.#layer(layer));
  }

  /**
   * Reads and converts all weights. Takes as long as reading the file and a pass over memory.
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
      weights.#buffer = backend.allocate(weights.#context.handle);
      for (const fill of weights.#fillings.splice(0)) await fill();
      return weights;
    } catch (error) {
      weights[Symbol.dispose]();
      throw error;
    }
  }

  #layer(plan: LayerPlan): LayerWeights {
    return {
      attentionNorm: this.#floats(plan.attentionNorm),
      feedForwardNorm: this.#floats(plan.feedForwardNorm),
      qkv: this.#matrix(plan.qkv),
      attentionOutput: this.#matrix(plan.attentionOutput),
      gate: this.#matrix(plan.gate),
      up: this.#matrix(plan.up),
      down: this.#matrix(plan.down),
    };
  }

  #matrix(plan: MatrixPlan): FrozenMatrix {
    const { columns, rows } = plan;
    const matrix = {
      forward: this.#context.tensor(GGML_TYPE[plan.forward], [columns, rows]),
      backward: plan.backward && this.#context.tensor(GGML_TYPE[plan.backward], [rows, columns]),
    };
    this.#fillings.push(() => fillMatrix(this.#backend, this.#file, { plan, matrix }));
    return matrix;
  }

  #asItIs(info: GgufTensorInfo): Tensor {
    const tensor = this.#context.tensor(GGML_TYPE[info.type], info.shape);
    this.#fillings.push(() => this.#file.readTensor(info, memoryOf(this.#backend.ggml, tensor)));
    return tensor;
  }

  /** Norms and rotation factors: always 32-bit floats, in files of any type. */
  #floats(info: GgufTensorInfo): Tensor {
    const tensor = this.#context.tensor(F32, info.shape);
    const columns = info.shape[0];
    const plan: MatrixPlan = { sources: [info], columns, rows: 1, forward: "f32", backward: null };
    const matrix = { forward: tensor, backward: null };
    this.#fillings.push(() => fillMatrix(this.#backend, this.#file, { plan, matrix }));
    return tensor;
  }

  [Symbol.dispose](): void {
    if (this.#buffer !== null) this.#backend.ggml.ggml_backend_buffer_free(this.#buffer);
    this.#context[Symbol.dispose]();
  }
}

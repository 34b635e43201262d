/** Owns the memory that graphs compute in: one buffer, grown when a graph wants more, used again by the next. */
import { TrainingError } from "../trainer.ts";
import type { CpuBackend } from "./backend.ts";
import type { AllocatorHandle, GraphHandle } from "./handles.ts";

/** Memory for one graph at a time. */
export class GraphMemory implements Disposable {
  readonly #backend: CpuBackend;
  readonly #handle: AllocatorHandle;

  constructor(backend: CpuBackend) {
    const { ggml } = backend;
    const handle = ggml.ggml_gallocr_new(ggml.ggml_backend_get_default_buffer_type(backend.handle));
    if (handle === null) throw new TrainingError("out_of_memory", "There is not enough memory for a graph");
    this.#backend = backend;
    this.#handle = handle;
  }

  get sizeBytes(): number {
    return Number(this.#backend.ggml.ggml_gallocr_get_buffer_size(this.#handle, 0));
  }

  /** Bytes that a graph would take, without giving it any. */
  measure(graph: GraphHandle): number {
    const size = new BigUint64Array(1);
    this.#backend.ggml.ggml_gallocr_reserve_n_size(this.#handle, graph, null, null, size);
    return Number(size[0]);
  }

  /**
   * Gives a graph's tensors their place; what other graphs left there is gone.
   *
   * @throws TrainingError `out_of_memory`
   */
  place(graph: GraphHandle): void {
    const { ggml } = this.#backend;
    // Reserving plans anew: the allocator would take another graph of as many nodes for the one it knows.
    if (
      ggml.ggml_gallocr_reserve(this.#handle, graph) && ggml.ggml_gallocr_alloc_graph(this.#handle, graph)
    ) return;
    throw new TrainingError(
      "out_of_memory",
      "There is not enough memory for a training step: lower microBatchTokens",
    );
  }

  [Symbol.dispose](): void {
    this.#backend.ggml.ggml_gallocr_free(this.#handle);
  }
}

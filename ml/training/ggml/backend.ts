/** Wraps ggml's CPU backend: threads, memory for tensors and graphs, and graph computation. */
import { STATUS_SUCCESS } from "./constants.ts";
import {
  type AllocatorHandle,
  type BackendHandle,
  type BufferHandle,
  type BufferTypeHandle,
  type ContextHandle,
  cText,
  type GraphHandle,
  type Tensor,
} from "./ffi.ts";
import { type Ggml, openGgml } from "./library.ts";
import { TrainingError } from "../training_error.ts";

const SET_N_THREADS = { parameters: ["pointer", "i32"], result: "void" } as const;

/** A backend defaults to 4 threads, which spin at barriers, so the number is always set. */
function setThreads(ggml: Ggml, backend: BackendHandle, threads: number): void {
  const registration = ggml.ggml_backend_reg_by_name(cText("CPU"));
  const address = ggml.ggml_backend_reg_get_proc_address(registration, cText("ggml_backend_set_n_threads"));
  if (address === null) {
    throw new TrainingError("library_unusable", "ggml's CPU backend does not let its threads be set");
  }
  new Deno.UnsafeFnPointer(address as Deno.PointerObject<typeof SET_N_THREADS>, SET_N_THREADS)
    .call(backend, threads);
}

/** A CPU backend. */
export class CpuBackend implements Disposable {
  readonly ggml: Ggml;
  readonly handle: BackendHandle;

  /** @throws TrainingError `library_unusable` */
  constructor(threads: number) {
    this.ggml = openGgml();
    const handle = this.ggml.ggml_backend_init_by_name(cText("CPU"), null);
    if (handle === null) throw new TrainingError("library_unusable", "ggml's CPU backend does not start");
    this.handle = handle;
    setThreads(this.ggml, handle, threads);
  }

  /**
   * Allocates one buffer for all tensors of a context.
   *
   * @param options `memory` selects another buffer type than the default
   * @throws TrainingError `out_of_memory`
   */
  allocate(context: ContextHandle, options: { memory?: BufferTypeHandle } = {}): BufferHandle {
    const buffer = options.memory === undefined
      ? this.ggml.ggml_backend_alloc_ctx_tensors(context, this.handle)
      : this.ggml.ggml_backend_alloc_ctx_tensors_from_buft(context, options.memory);
    if (buffer !== null) return buffer;
    throw new TrainingError("out_of_memory", "There is not enough memory for the model's weights");
  }

  /**
   * Computes a graph on the backend's threads without blocking the event loop.
   *
   * @throws TrainingError `compute_failed`
   */
  async compute(graph: GraphHandle): Promise<void> {
    const status = await this.ggml.ggml_backend_graph_compute(this.handle, graph);
    if (status !== STATUS_SUCCESS) {
      throw new TrainingError("compute_failed", `ggml could not compute a graph: status ${status}`);
    }
  }

  [Symbol.dispose](): void {
    this.ggml.ggml_backend_free(this.handle);
  }
}

/** Memory for one graph at a time: a buffer that grows when a graph needs more and is reused by the next. */
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

  /** Bytes that a graph would need, without allocating them. */
  measure(graph: GraphHandle): number {
    const size = new BigUint64Array(1);
    this.#backend.ggml.ggml_gallocr_reserve_n_size(this.#handle, graph, null, null, size);
    return Number(size[0]);
  }

  /**
   * Places a graph's tensors in the buffer, overwriting what earlier graphs left there.
   *
   * @throws TrainingError `out_of_memory`
   */
  place(graph: GraphHandle): void {
    const { ggml } = this.#backend;
    // Reserving forces a new plan: the allocator takes a graph with as many nodes for the one it already knows.
    if (
      ggml.ggml_gallocr_reserve(this.#handle, graph) && ggml.ggml_gallocr_alloc_graph(this.#handle, graph)
    ) return;
    throw new TrainingError(
      "out_of_memory",
      "There is not enough memory for a training step",
      { fix: "Lower microBatchTokens" },
    );
  }

  [Symbol.dispose](): void {
    this.#backend.ggml.ggml_gallocr_free(this.#handle);
  }
}

/**
 * A tensor's bytes, not a copy; invalid once the tensor's buffer is freed.
 *
 * @throws TrainingError `compute_failed` when the tensor has no memory yet
 */
export function memoryOf(ggml: Ggml, tensor: Tensor): Uint8Array<ArrayBuffer> {
  const data = ggml.ggml_get_data(tensor);
  if (data === null) throw new TrainingError("compute_failed", "A tensor of ggml has no memory");
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(data, Number(ggml.ggml_nbytes(tensor))));
}

/** A tensor's 32-bit floats, not a copy. */
export function floatsOf(ggml: Ggml, tensor: Tensor): Float32Array<ArrayBuffer> {
  return new Float32Array(memoryOf(ggml, tensor).buffer);
}

/** Owns a CPU backend of ggml: a number of threads, memory for tensors, and the computing of graphs. */
import { TrainingError } from "../trainer.ts";
import { STATUS_SUCCESS } from "./constants.ts";
import type { BackendHandle, BufferHandle, BufferTypeHandle, ContextHandle, GraphHandle } from "./handles.ts";
import { type Ggml, openGgml } from "./library.ts";
import { cText } from "./text.ts";

const SET_N_THREADS = { parameters: ["pointer", "i32"], result: "void" } as const;

/** A bare backend runs 4 threads, which spin at barriers: the number is always set. */
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
   * Gives every tensor of a context its memory, in one piece.
   *
   * @param options `memory` is a kind other than the usual
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
   * Computes a graph on the backend's threads; the event loop stays free.
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

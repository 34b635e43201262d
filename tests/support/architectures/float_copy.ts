/** Copies a model's file with all its weights as 32-bit floats, so that two programs can compute with equal numbers. */
import { CpuBackend, memoryOf } from "../../../ml/training/ggml/backend.ts";
import { GGML_TYPE } from "../../../ml/training/ggml/constants.ts";
import { cText, type GgufHandle } from "../../../ml/training/ggml/ffi.ts";
import { GgufFile } from "../../../ml/training/ggml/gguf_file.ts";
import { findLibraryFiles } from "../../../ml/training/ggml/library_files.ts";
import { F32, TensorContext } from "../../../ml/training/ggml/tensor_context.ts";

const gguf = "pointer" as Deno.NativeTypedPointer<GgufHandle>;
const WRITER_SYMBOLS = {
  gguf_set_kv: { parameters: [gguf, gguf], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** @throws Error when the copy cannot be written */
export async function writeFloatCopy(path: string, target: string): Promise<void> {
  using stack = new DisposableStack();
  const backend = stack.use(new CpuBackend(1));
  const { ggml } = backend;
  const writer = Deno.dlopen(findLibraryFiles().base, WRITER_SYMBOLS);
  const params = new Uint8Array(16);
  params[0] = 1;
  const free = (handle: GgufHandle | null) => ggml.gguf_free(handle);
  const source = stack.adopt(ggml.gguf_init_from_file(cText(path), params), free);
  const copy = stack.adopt(ggml.gguf_init_empty(), free);
  writer.symbols.gguf_set_kv(copy, source);
  const file = stack.use(new GgufFile(ggml, path));
  const infos = [...file.tensors.values()];
  const context = stack.use(new TensorContext(ggml, { tensors: infos.length }));
  const tensors = infos.map(({ name, shape }) => context.name(context.tensor(F32, shape), name));
  stack.adopt(backend.allocate(context.handle), (buffer) => ggml.ggml_backend_buffer_free(buffer));
  for (const [index, info] of infos.entries()) {
    const tensor = tensors[index];
    if (tensor === undefined) continue;
    using step = new DisposableStack();
    const own = step.use(new TensorContext(ggml, { tensors: 4, graphNodes: 4 }));
    const quantized = own.tensor(GGML_TYPE[info.type], info.shape);
    const floats = own.copy(quantized, own.tensor(F32, info.shape));
    const graph = own.graph(4);
    own.expand(graph, floats);
    step.adopt(backend.allocate(own.handle), (buffer) => ggml.ggml_backend_buffer_free(buffer));
    file.readTensor(info, memoryOf(ggml, quantized));
    await backend.compute(graph);
    memoryOf(ggml, tensor).set(memoryOf(ggml, floats));
    ggml.gguf_add_tensor(copy, tensor);
  }
  if (!ggml.gguf_write_to_file(copy, cText(target), false)) throw new Error(`${target} cannot be written`);
}

/** Writes an adapter as a GGUF file that llama.cpp loads as LoRA, with its provenance. */
import { type CpuBackend, floatsOf } from "./ggml/backend.ts";
import { cText, type GgufHandle, type Tensor } from "./ggml/ffi.ts";
import { type Ggml, quietly } from "./ggml/library.ts";
import { F32, TensorContext } from "./ggml/tensor_context.ts";
import type { AdapterState } from "./model/adapter_state.ts";
import type { LoraModule } from "./model/lora_layout.ts";
import type { Provenance } from "./trainer.ts";
import { writeFileAtomically } from "../../lib/files.ts";
import { TrainingError } from "./training_error.ts";

/** Prefix of an adapter's provenance metadata. */
export const PROVENANCE_PREFIX = "conversation_assistant.";

/** Longest metadata text written; ggml itself has no limit. */
const MAX_TEXT_LENGTH = 4_096;

/** Writes the keys that `llama_adapter_lora_init` of llama-adapter.cpp reads, and the provenance. */
function writeMetadata(
  ggml: Ggml,
  gguf: GgufHandle,
  options: { architecture: string; alpha: number; provenance: Provenance },
): void {
  const text = (key: string, value: string) =>
    ggml.gguf_set_val_str(gguf, cText(key), cText(value.slice(0, MAX_TEXT_LENGTH).replaceAll("\0", "")));
  text("general.type", "adapter");
  text("general.architecture", options.architecture);
  text("adapter.type", "lora");
  ggml.gguf_set_val_f32(gguf, cText("adapter.lora.alpha"), options.alpha);
  for (const [name, value] of Object.entries(options.provenance)) {
    const key = `${PROVENANCE_PREFIX}${name}`;
    if (typeof value === "string") text(key, value);
    else if (typeof value === "number") ggml.gguf_set_val_f64(gguf, cText(key), value);
    else ggml.gguf_set_val_bool(gguf, cText(key), value);
  }
}

/** B as llama.cpp expects it, [rank, outputWidth]; training stores it transposed. */
function transposedB(numbers: Float32Array, module: LoraModule, options: { rank: number }): Float32Array {
  const { rank } = options;
  const { offsetB, outputWidth } = module;
  return Float32Array.from({ length: rank * outputWidth }, (_, index) => {
    const [output, row] = [Math.floor(index / rank), index % rank];
    return numbers[offsetB + row * outputWidth + output] ?? 0;
  });
}

/** The tensors of a module, named after the base model's, with their numbers. */
function moduleTensors(
  context: TensorContext,
  adapter: AdapterState,
  options: { module: LoraModule },
): { tensor: Tensor; numbers: Float32Array }[] {
  const { module } = options;
  const { layout: { rank }, parameters } = adapter;
  const { target, layer, inputWidth, outputWidth, offsetA } = module;
  const tensor = (suffix: string, shape: readonly [number, number]) =>
    context.name(context.tensor(F32, shape), `blk.${layer}.${target}.weight.${suffix}`);
  return [
    {
      tensor: tensor("lora_a", [inputWidth, rank]),
      numbers: parameters.slice(offsetA, offsetA + inputWidth * rank),
    },
    { tensor: tensor("lora_b", [rank, outputWidth]), numbers: transposedB(parameters, module, { rank }) },
  ];
}

/**
 * Writes an adapter atomically.
 *
 * @throws TrainingError `compute_failed` when ggml cannot write the file, as on a full disk
 */
export async function writeAdapter(
  path: string,
  adapter: AdapterState,
  options: { backend: CpuBackend; architecture: string; provenance: Provenance },
): Promise<void> {
  const { backend, architecture, provenance } = options;
  const { ggml } = backend;
  const { modules, alpha } = adapter.layout;
  using context = new TensorContext(ggml, { tensors: modules.length * 2 });
  const entries = modules.flatMap((module) => moduleTensors(context, adapter, { module }));
  using stack = new DisposableStack();
  stack.adopt(backend.allocate(context.handle), (buffer) => ggml.ggml_backend_buffer_free(buffer));
  const gguf = stack.adopt(ggml.gguf_init_empty(), (gguf) => ggml.gguf_free(gguf));
  if (gguf === null) {
    throw new TrainingError("out_of_memory", "There is not enough memory to write the adapter");
  }
  writeMetadata(ggml, gguf, { architecture, alpha, provenance });
  for (const { tensor, numbers } of entries) {
    floatsOf(ggml, tensor).set(numbers);
    ggml.gguf_add_tensor(gguf, tensor);
  }
  await writeFileAtomically(path, (partPath) => {
    if (quietly(ggml, () => ggml.gguf_write_to_file(gguf, cText(partPath), false))) return;
    throw new TrainingError("compute_failed", `The adapter cannot be written to ${path}`, {
      fix: "Check that the disk is not full",
    });
  });
}

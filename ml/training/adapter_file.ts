/** Writes an adapter as a GGUF file that llama.cpp loads as LoRA, with its provenance, and reads one back. */
import { type CpuBackend, floatsOf } from "./ggml/backend.ts";
import { cText, type GgufHandle, type Tensor } from "./ggml/ffi.ts";
import { GgufFile } from "./ggml/gguf_file.ts";
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

function misfit(path: string, reason: string): TrainingError {
  return new TrainingError("bad_settings", `The adapter ${path} is no start for this training: ${reason}`);
}

/** The numbers of a matrix of the file, which must be of the given shape. */
function numbersOf(file: GgufFile, name: string, shape: readonly [number, number]): Float32Array {
  const info = file.tensors.get(name);
  if (info === undefined) throw misfit(file.path, `it has no ${name}`);
  if (info.type !== "f32" || info.shape[0] !== shape[0] || info.shape[1] !== shape[1]) {
    throw misfit(file.path, `${name} is ${info.shape.slice(0, 2).join(" by ")} of ${info.type}`);
  }
  const bytes = new Uint8Array(info.sizeBytes);
  file.readTensor(info, bytes);
  return new Float32Array(bytes.buffer);
}

/**
 * Reads the parameters of an adapter that `writeAdapter` wrote.
 *
 * @throws TrainingError `bad_settings` when it is of another shape or scale; `model_unreadable`. The adapter is then as it was
 */
export function readAdapter(
  path: string,
  adapter: AdapterState,
  { backend: { ggml } }: { backend: CpuBackend },
): void {
  const { modules, alpha, rank, length } = adapter.layout;
  using file = new GgufFile(ggml, path);
  if (file.tensors.size !== modules.length * 2) throw misfit(path, "it changes other matrices");
  const fileAlpha = file.number("adapter.lora.alpha");
  if (fileAlpha !== alpha) throw misfit(path, `its alpha is ${fileAlpha}, this training has ${alpha}`);
  const numbers = new Float32Array(length);
  for (const { target, layer, inputWidth, outputWidth, offsetA, offsetB } of modules) {
    const name = `blk.${layer}.${target}.weight`;
    numbers.set(numbersOf(file, `${name}.lora_a`, [inputWidth, rank]), offsetA);
    const b = numbersOf(file, `${name}.lora_b`, [rank, outputWidth]);
    b.forEach((value, index) => {
      numbers[offsetB + (index % rank) * outputWidth + Math.floor(index / rank)] = value;
    });
  }
  adapter.parameters.set(numbers);
}

/** Builds small GGUF files of every trainable architecture, shape and weight type, with the tiny model's tokenizer. */
import { join } from "node:path";
import { CpuBackend, memoryOf } from "../../../ml/training/ggml/backend.ts";
import { GGML_TYPE, type TypeName } from "../../../ml/training/ggml/constants.ts";
import { cText, type GgufHandle } from "../../../ml/training/ggml/ffi.ts";
import { findLibraryFiles } from "../../../ml/training/ggml/library_files.ts";
import { TensorContext } from "../../../ml/training/ggml/tensor_context.ts";
import { seededRandom } from "../../../ml/engine/sampling.ts";
import { buildTinyGguf } from "./tiny_gguf.ts";

const gguf = "pointer" as Deno.NativeTypedPointer<GgufHandle>;

/** What only test files are written with. */
const WRITER_SYMBOLS = {
  ggml_quantize_chunk: {
    parameters: ["i32", "buffer", "buffer", "i64", "i64", "i64", "pointer"],
    result: "usize",
  },
  gguf_set_kv: { parameters: [gguf, gguf], result: "void" },
  gguf_set_val_u32: { parameters: [gguf, "buffer", "u32"], result: "void" },
  gguf_get_arr_n: { parameters: [gguf, "i64"], result: "usize" },
} as const satisfies Deno.ForeignLibraryInterface;

export interface LlamaShape {
  layers: number;
  width: number;
  heads: number;
  keyValueHeads: number;
  feedForward: number;
  /** Default: width / heads. */
  headWidth?: number;
}

export type GgufArchitecture = "llama" | "mistral3" | "qwen2" | "qwen3" | "gemma3";

export interface LlamaGgufOptions {
  /** A folder for the file. */
  dir: string;
  shape?: LlamaShape;
  /** The type of all matrices, or of each by its name. Default f32. */
  type?: TypeName | ((name: string) => TypeName);
  /** See {@linkcode TinyGgufOptions.vocabulary}. */
  vocabulary?: number;
  /** Rows of a matrix beyond so many repeat the first ones, for files of which only the size and the speed count. */
  distinctRows?: number;
  /** The file's name. Default: one of its own. */
  fileName?: string;
  /** The output matrix is the token embedding. Default false. */
  tied?: boolean;
  /** Divisors of the rotation frequencies, one for each pair of a head's elements. */
  ropeFactors?: boolean;
  architecture?: GgufArchitecture;
  /** Biases of queries, keys and values. Default: for `qwen2`. */
  biases?: boolean;
  /** More tensors, each a vector of the model's width. */
  vectors?: readonly string[];
  /** More keys under the architecture's name, such as `rope.freq_base`. */
  numbers?: Readonly<Record<string, number>>;
  texts?: Readonly<Record<string, string>>;
}

export const SMALL_SHAPE: LlamaShape = {
  layers: 2,
  width: 64,
  heads: 4,
  keyValueHeads: 2,
  feedForward: 160,
};

interface Matrix {
  name: string;
  shape: [number, number];
  spread: number;
  type: TypeName;
  /** Norms lie around 1, matrices around 0. */
  center: number;
}

function matrices(options: LlamaGgufOptions, vocabulary: number): Matrix[] {
  const { shape = SMALL_SHAPE, type = "f32", architecture, biases = architecture === "qwen2" } = options;
  const { width, heads, keyValueHeads, feedForward, headWidth = width / heads } = shape;
  const matrix = (name: string, columns: number, rows: number, spread = 1): Matrix => {
    return {
      name: `${name}.weight`,
      shape: [columns, rows],
      spread: spread / Math.sqrt(columns),
      type: typeof type === "string" ? type : type(name),
      center: 0,
    };
  };
  const norm = (name: string, length = width): Matrix => ({
    name: `${name}.weight`,
    shape: [length, 1],
    spread: 0.2,
    type: "f32",
    center: 1,
  });
  const bias = (name: string, length: number): Matrix => ({
    name: `${name}.bias`,
    shape: [length, 1],
    spread: 0.5,
    type: "f32",
    center: 0,
  });
  const isGemma = architecture === "gemma3";
  const headNorms = isGemma || architecture === "qwen3" ? ["attn_q_norm", "attn_k_norm"] : [];
  const resultNorms = isGemma ? ["post_attention_norm", "post_ffw_norm"] : [];
  const biased: [string, number][] = biases
    ? [["attn_q", heads], ["attn_k", keyValueHeads], ["attn_v", keyValueHeads]]
    : [];
  const layer = (index: number): Matrix[] => {
    const name = (part: string) => `blk.${index}.${part}`;
    return [
      norm(name("attn_norm")),
      // Queries and keys are large enough that attention is not flat.
      matrix(name("attn_q"), width, heads * headWidth, 2),
      matrix(name("attn_k"), width, keyValueHeads * headWidth, 2),
      matrix(name("attn_v"), width, keyValueHeads * headWidth),
      matrix(name("attn_output"), heads * headWidth, width),
      norm(name("ffn_norm")),
      matrix(name("ffn_gate"), width, feedForward),
      matrix(name("ffn_up"), width, feedForward),
      matrix(name("ffn_down"), feedForward, width),
      ...headNorms.map((part) => norm(name(part), headWidth)),
      ...resultNorms.map((part) => norm(name(part))),
      ...biased.map(([part, count]) => bias(name(part), count * headWidth)),
    ];
  };
  const factors: Matrix = {
    name: "rope_freqs.weight",
    shape: [headWidth / 2, 1],
    spread: 1,
    type: "f32",
    center: 3,
  };
  return [
    matrix("token_embd", width, vocabulary, options.tied ? 2 : Math.sqrt(width)),
    ...Array.from({ length: shape.layers }, (_, index) => layer(index)).flat(),
    norm("output_norm"),
    ...(options.tied ? [] : [matrix("output", width, vocabulary, 2)]),
    ...(options.ropeFactors ? [factors] : []),
    ...(options.vectors ?? []).map((name) => ({ ...norm(""), name })),
  ];
}

function metadata(options: LlamaGgufOptions): { u32: Record<string, number>; f32: Record<string, number> } {
  const { shape = SMALL_SHAPE } = options;
  const { layers, width, heads, keyValueHeads, feedForward, headWidth = width / heads } = shape;
  return {
    u32: {
      "block_count": layers,
      "context_length": 1024,
      "embedding_length": width,
      "feed_forward_length": feedForward,
      "attention.head_count": heads,
      "attention.head_count_kv": keyValueHeads,
      "attention.key_length": headWidth,
      "attention.value_length": headWidth,
      "rope.dimension_count": headWidth,
    },
    f32: { "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10_000 },
  };
}

/** Keys whose numbers llama.cpp reads as whole ones. */
const WHOLE_NUMBERS = /original_context_length|_count|_length|sliding_window/;

/** Writes the file and returns its path. Equal options give equal bytes. */
export async function buildLlamaGguf(options: LlamaGgufOptions): Promise<string> {
  const { architecture = "llama", dir, vocabulary: wanted, distinctRows = Infinity } = options;
  const tinyPath = await buildTinyGguf({
    path: join(dir, `tokenizer-${crypto.randomUUID()}.gguf`),
    vocabulary: wanted,
  });
  const path = join(dir, options.fileName ?? `${architecture}-${crypto.randomUUID()}.gguf`);
  using stack = new DisposableStack();
  const backend = stack.use(new CpuBackend(1));
  const { ggml } = backend;
  const library = Deno.dlopen(findLibraryFiles().base, WRITER_SYMBOLS);
  const params = new Uint8Array(16);
  params[0] = 1;
  const source = stack.adopt(
    ggml.gguf_init_from_file(cText(tinyPath), params),
    (source) => ggml.gguf_free(source),
  );
  const target = stack.adopt(ggml.gguf_init_empty(), (target) => ggml.gguf_free(target));
  library.symbols.gguf_set_kv(target, source);
  const tokens = ggml.gguf_find_key(target, cText("tokenizer.ggml.tokens"));
  const vocabulary = Number(library.symbols.gguf_get_arr_n(target, tokens));
  const key = (name: string) => cText(`${architecture}.${name}`);
  const { u32, f32 } = metadata(options);
  ggml.gguf_set_val_str(target, cText("general.architecture"), cText(architecture));
  library.symbols.gguf_set_val_u32(target, key("vocab_size"), vocabulary);
  for (const [name, value] of Object.entries({ ...u32, ...f32, ...options.numbers })) {
    if (WHOLE_NUMBERS.test(name)) library.symbols.gguf_set_val_u32(target, key(name), value);
    else ggml.gguf_set_val_f32(target, key(name), value);
  }
  for (const [name, value] of Object.entries(options.texts ?? {})) {
    ggml.gguf_set_val_str(target, key(name), cText(value));
  }
  const all = matrices(options, vocabulary);
  const context = stack.use(new TensorContext(ggml, { tensors: all.length }));
  const random = seededRandom(7);
  const normal = () => (random() + random() + random() - 1.5) * 2;
  const tensors = all.map((matrix) => {
    const shape = matrix.shape[1] === 1 ? [matrix.shape[0]] as const : matrix.shape;
    return context.name(context.tensor(GGML_TYPE[matrix.type], shape), matrix.name);
  });
  stack.adopt(backend.allocate(context.handle), (buffer) => ggml.ggml_backend_buffer_free(buffer));
  for (const [index, { shape: [columns, rows], spread, center, type }] of all.entries()) {
    const tensor = tensors[index];
    if (tensor === undefined) continue;
    const distinct = Math.min(rows, distinctRows);
    const numbers = Float32Array.from({ length: columns * distinct }, () => center + spread * normal());
    const bytes = memoryOf(ggml, tensor);
    library.symbols.ggml_quantize_chunk(
      GGML_TYPE[type],
      numbers,
      bytes,
      0n,
      BigInt(distinct),
      BigInt(columns),
      null,
    );
    for (let row = distinct; row < rows; row += distinct) {
      const rowBytes = bytes.length / rows;
      bytes.copyWithin(row * rowBytes, 0, Math.min(distinct, rows - row) * rowBytes);
    }
    ggml.gguf_add_tensor(target, tensor);
  }
  if (!ggml.gguf_write_to_file(target, cText(path), false)) throw new Error(`${path} cannot be written`);
  return path;
}

/** Builds a tiny llama-architecture GGUF with seeded weights and a real tokenizer, for llama.cpp itself to load. */
import { type GgufTensor, type GgufValue, writeGguf } from "./tiny_gguf_writer.ts";
import { SPECIAL_TOKENS, type TinyTokenizer, TOKEN_TYPE, trainTinyTokenizer } from "./tiny_gguf_tokenizer.ts";
import { seededRandom } from "../../../ml/engine/sampling.ts";

/** The usual ChatML template: each message between `<|im_start|>role` and `<|im_end|>`. */
export const CHATML_TEMPLATE = "{% for message in messages %}" +
  "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

export interface TinyGgufOptions {
  /** Where the file is written. */
  path: string;
  /** Equal seeds give equal bytes. */
  seed?: number;
  /** `tokenizer.chat_template`; null makes a base model. Default: ChatML. */
  chatTemplate?: string | null;
  /** Trained context in tokens. */
  contextLength?: number;
  /** How many tokens there are; those beyond the trained ones spell nothing. Default: the trained ones. */
  vocabulary?: number;
}

const SHAPE = { layers: 2, width: 64, heads: 4, keyValueHeads: 2, feedForward: 160 } as const;

/**
 * Spread of the weights. Projections keep a unit vector near unit length; the output matrix is scaled so
 * that logits spread by about 2: neither a flat distribution nor one token for ever.
 */
const SPREAD = { embedding: 1, projection: 0.125, output: 0.25 } as const;

/** Near-normal numbers as a sum of three uniforms, whose variance is 1/4: no transcendental functions, so exact. */
function filled(length: number, spread: number, uniform: () => number): Float32Array {
  return Float32Array.from({ length }, () => (uniform() + uniform() + uniform() - 1.5) * 2 * spread);
}

function weights(seed: number, vocabularySize: number): GgufTensor[] {
  const uniform = seededRandom(seed);
  const { layers, width, heads, keyValueHeads, feedForward } = SHAPE;
  const keyValueWidth = (width / heads) * keyValueHeads;
  const matrix = (name: string, shape: [number, number], spread: number): GgufTensor => {
    return { name, shape, data: filled(shape[0] * shape[1], spread, uniform) };
  };
  const norm = (name: string): GgufTensor => ({
    name,
    shape: [width],
    data: new Float32Array(width).fill(1),
  });
  const layer = (index: number): GgufTensor[] => {
    const name = (part: string) => `blk.${index}.${part}.weight`;
    return [
      norm(name("attn_norm")),
      matrix(name("attn_q"), [width, width], SPREAD.projection),
      matrix(name("attn_k"), [width, keyValueWidth], SPREAD.projection),
      matrix(name("attn_v"), [width, keyValueWidth], SPREAD.projection),
      matrix(name("attn_output"), [width, width], SPREAD.projection),
      norm(name("ffn_norm")),
      matrix(name("ffn_gate"), [width, feedForward], SPREAD.projection),
      matrix(name("ffn_up"), [width, feedForward], SPREAD.projection),
      matrix(name("ffn_down"), [feedForward, width], SPREAD.projection),
    ];
  };
  return [
    matrix("token_embd.weight", [width, vocabularySize], SPREAD.embedding),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    norm("output_norm.weight"),
    withRareSpecialTokens(matrix("output.weight", [width, vocabularySize], SPREAD.output)),
  ];
}

/** Gives the special tokens, which come first, a logit of 0, far below the best: replies seldom end by themselves. */
function withRareSpecialTokens(output: GgufTensor): GgufTensor {
  output.data.fill(0, 0, SPECIAL_TOKENS.length * SHAPE.width);
  return output;
}

function tokenizerMetadata(tokenizer: TinyTokenizer): Record<string, GgufValue> {
  return {
    "tokenizer.ggml.model": { type: "string", value: "gpt2" },
    // GPT-2's own pre-tokenizer would make llama.cpp drop spaces before punctuation when it spells tokens.
    "tokenizer.ggml.pre": { type: "string", value: "smollm" },
    "tokenizer.ggml.tokens": { type: "array", of: "string", value: tokenizer.tokens },
    "tokenizer.ggml.token_type": { type: "array", of: "i32", value: tokenizer.types },
    "tokenizer.ggml.merges": { type: "array", of: "string", value: tokenizer.merges },
    "tokenizer.ggml.bos_token_id": { type: "u32", value: SPECIAL_TOKENS.indexOf("<|endoftext|>") },
    "tokenizer.ggml.eos_token_id": { type: "u32", value: SPECIAL_TOKENS.indexOf("<|im_end|>") },
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
  };
}

function modelMetadata(contextLength: number, vocabularySize: number): Record<string, GgufValue> {
  const { layers, width, heads, keyValueHeads, feedForward } = SHAPE;
  return {
    "general.architecture": { type: "string", value: "llama" },
    "general.name": { type: "string", value: "tiny" },
    "llama.context_length": { type: "u32", value: contextLength },
    "llama.embedding_length": { type: "u32", value: width },
    "llama.block_count": { type: "u32", value: layers },
    "llama.feed_forward_length": { type: "u32", value: feedForward },
    "llama.attention.head_count": { type: "u32", value: heads },
    "llama.attention.head_count_kv": { type: "u32", value: keyValueHeads },
    "llama.attention.layer_norm_rms_epsilon": { type: "f32", value: 1e-5 },
    "llama.rope.dimension_count": { type: "u32", value: width / heads },
    "llama.rope.freq_base": { type: "f32", value: 10_000 },
    "llama.vocab_size": { type: "u32", value: vocabularySize },
  };
}

/** The tokenizer with tokens that no text has. */
function padded({ tokens, types, merges }: TinyTokenizer, vocabulary: number): TinyTokenizer {
  const missing = Math.max(0, vocabulary - tokens.length);
  const names = Array.from({ length: missing }, (_, index) => `<|unused_${index}|>`);
  return { merges, tokens: [...tokens, ...names], types: [...types, ...names.map(() => TOKEN_TYPE.unused)] };
}

/** Writes the model and returns its path. About 0.7 MB. */
export async function buildTinyGguf(options: TinyGgufOptions): Promise<string> {
  const tokenizer = padded(trainTinyTokenizer(), options.vocabulary ?? 0);
  const chatTemplate = options.chatTemplate === undefined ? CHATML_TEMPLATE : options.chatTemplate;
  const bytes = writeGguf({
    metadata: {
      ...modelMetadata(options.contextLength ?? 1024, tokenizer.tokens.length),
      ...tokenizerMetadata(tokenizer),
      ...(chatTemplate === null
        ? {}
        : { "tokenizer.chat_template": { type: "string", value: chatTemplate } }),
    },
    tensors: weights(options.seed ?? 1, tokenizer.tokens.length),
  });
  await Deno.writeFile(options.path, bytes);
  return options.path;
}

/** Opens the libllama that node-llama-cpp has loaded, and checks that its structs are the ones written down here. */
import { messageOf } from "../../../lib/errors.ts";
import { GGML_COMMIT, GGML_VERSION } from "../../training/ggml/constants.ts";
import { textAt } from "../../training/ggml/ffi.ts";
import { findLibraryFiles } from "../../training/ggml/library_files.ts";
import { GGML_SYMBOLS, LLAMA_SYMBOLS } from "./symbols.ts";

/** The functions of libllama. Pointers are typed by kind. */
export type LibLlama = Deno.DynamicLibrary<typeof LLAMA_SYMBOLS>["symbols"];

const held = new Set<readonly ArrayBufferView[]>();

/** Keeps buffers from being collected while a call on another thread reads them. */
export async function whileHeld<Result>(
  buffers: readonly ArrayBufferView[],
  call: Promise<Result>,
): Promise<Result> {
  held.add(buffers);
  try {
    return await call;
  } finally {
    held.delete(buffers);
  }
}

/** Where fields that we set lie in `struct llama_model_params`, in bytes. */
export const MODEL_FIELDS = { gpuLayers: 16, lazyMode: 28 } as const;

/** Where fields that we set lie in `struct llama_context_params`, in bytes. */
export const CONTEXT_FIELDS = {
  contextTokens: 0,
  batchTokens: 4,
  microBatchTokens: 8,
  sequences: 12,
  outputs: 20,
  threads: 28,
  promptThreads: 32,
  keyType: 104,
  valueType: 108,
  swaFull: 132,
} as const;

const WORD_BYTES = 4;
const ALL = 0xffffffff;
const MINUS_ONE = 0xbf800000;

/** What `llama_model_default_params` gives in the pinned release, as 32-bit words: they show where the fields lie. */
// deno-fmt-ignore
export const MODEL_DEFAULTS: readonly number[] = [
  0, 0, 0, 0, ALL, 1, ALL, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10000, 0,
];

/** What `llama_context_default_params` gives in the pinned release. */
// deno-fmt-ignore
export const CONTEXT_DEFAULTS: readonly number[] = [
  512, 2048, 512, 1, 0, 0, 1, 4, 4, 0, ALL, ALL, ALL, ALL,
  0, 0, MINUS_ONE, MINUS_ONE, MINUS_ONE, MINUS_ONE, 0, MINUS_ONE, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0,
  0x01010100, 1, 0, 0, 0, 0, 0, 0,
];

/**
 * Compares what the library says about itself with the release that this code is written for.
 *
 * @throws Error naming the first difference
 */
export function checkRelease(
  actual: { version: string; commit: string; modelDefaults: Uint8Array; contextDefaults: Uint8Array },
): void {
  const release = `ggml ${GGML_VERSION} (${GGML_COMMIT})`;
  const fix = "install the node-llama-cpp version that deno.json names";
  if (actual.version !== GGML_VERSION || actual.commit !== GGML_COMMIT) {
    const found = `ggml ${actual.version} (${actual.commit})`;
    throw new Error(`The engine is written for ${release}, the installed library is ${found}: ${fix}`);
  }
  for (
    const [name, bytes, expected] of [
      ["llama_model_params", actual.modelDefaults, MODEL_DEFAULTS],
      ["llama_context_params", actual.contextDefaults, CONTEXT_DEFAULTS],
    ] as const
  ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isSame = bytes.byteLength === WORD_BYTES * expected.length &&
      expected.every((word, index) => view.getUint32(WORD_BYTES * index, true) === word);
    if (!isSame) {
      throw new Error(`The installed library lays out ${name} in another way than ${release}: ${fix}`);
    }
  }
}

/**
 * Opens libllama. The library of node-llama-cpp must be open: it has registered the backends that compute.
 *
 * @param gpu which of the package's builds is open, as `Llama.gpu` says
 * @throws Error when it is missing or another release
 */
export function openLibLlama({ gpu }: { gpu: string | false }): LibLlama {
  try {
    const files = findLibraryFiles({ gpu });
    const { ggml_version, ggml_commit } = Deno.dlopen(files.base, GGML_SYMBOLS).symbols;
    const { symbols } = Deno.dlopen(files.llama, LLAMA_SYMBOLS);
    checkRelease({
      version: textAt(ggml_version()),
      commit: textAt(ggml_commit()),
      modelDefaults: symbols.llama_model_default_params(),
      contextDefaults: symbols.llama_context_default_params(),
    });
    return symbols;
  } catch (error) {
    throw new Error(`llama.cpp's library cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

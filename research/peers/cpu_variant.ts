/** Limits both sides of a comparison to the instructions of an older processor. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { findLibraryFiles } from "../../ml/training/ggml/library_files.ts";
import { cText } from "../../ml/training/ggml/ffi.ts";

/** A kind of processor, and how each side is limited to it. */
export interface ProcessorKind {
  name: string;
  /** ggml's CPU backend for it; undefined takes the one that ggml chooses. */
  variant?: string;
  /** Environment that limits PyTorch's libraries. */
  peerEnv?: Readonly<Record<string, string>>;
  /** Types that PyTorch can train in there; default both. Without the instructions BF16 is some 60 times slower. */
  peerTypes?: readonly string[];
}

export const PEER_TYPES = ["bfloat16", "float32"] as const;

/** From this machine's own down to what most home servers have. */
export const PROCESSOR_KINDS: readonly ProcessorKind[] = [
  { name: "as it is" },
  {
    name: "AVX-512 with BF16, no AMX",
    variant: "zen4",
    peerEnv: { ONEDNN_MAX_CPU_ISA: "AVX512_CORE_BF16" },
  },
  {
    name: "AVX2",
    variant: "haswell",
    peerEnv: { ONEDNN_MAX_CPU_ISA: "AVX2", MKL_ENABLE_INSTRUCTIONS: "AVX2", ATEN_CPU_CAPABILITY: "avx2" },
    peerTypes: ["float32"],
  },
];

const LOAD = { ggml_backend_load: { parameters: ["buffer"], result: "pointer" } } as const;

/**
 * Makes ggml use a CPU backend of its package, before anything else of ggml is opened in this process.
 *
 * @throws UserError when the package has no such backend, or this processor cannot run it
 */
export function useCpuVariant(variant: string): void {
  const { registry, directory } = findLibraryFiles();
  const path = join(directory, `libggml-cpu-${variant}.so`);
  const loaded = Deno.dlopen(registry, LOAD).symbols.ggml_backend_load(cText(path));
  if (loaded === null) throw new UserError(`This processor cannot run ggml's backend for ${variant}`);
}

/** Describes the architectures that can be trained: each entry says how its graph differs from the others'. */
import { ROPE_TYPE_NEOX, ROPE_TYPE_NORMAL } from "../ggml/constants.ts";

/** What the graph of an architecture does; sizes and numbers are in the model's file. */
export interface Architecture {
  /** Which elements of a head are rotated together: `ROPE_TYPE_NORMAL` or `ROPE_TYPE_NEOX`. */
  ropeMode: number;
  /** Each head of queries and keys has an RMS norm before its rotation. */
  normsHeads: boolean;
  /** The results of attention and of the feed-forward layer have an RMS norm before they are added to the residual. */
  normsResults: boolean;
  activation: "silu" | "gelu";
  /** The embedding is multiplied by the root of its width. */
  scalesEmbedding: boolean;
  /**
   * All but every so many layers see only the window of `attention.sliding_window` tokens, and rotate by a base of
   * their own; null where the architecture has no such layers.
   */
  fullAttentionEvery: number | null;
  /** Layers of the model whose scores are scaled by the width of a head of an even split, `width / heads`. */
  evenHeadScaleLayers?: number;
  /** Beyond its original context attention is scaled by position, which the graph does not do. */
  staysInOriginalContext?: boolean;
}

const LLAMA: Architecture = {
  ropeMode: ROPE_TYPE_NORMAL,
  normsHeads: false,
  normsResults: false,
  activation: "silu",
  scalesEmbedding: false,
  fullAttentionEvery: null,
};

/** By `general.architecture`. Source: the graphs of src/models of the pinned llama.cpp. */
export const ARCHITECTURES: ReadonlyMap<string, Architecture> = new Map(Object.entries({
  llama: LLAMA,
  mistral3: { ...LLAMA, staysInOriginalContext: true },
  qwen2: { ...LLAMA, ropeMode: ROPE_TYPE_NEOX },
  qwen3: { ...LLAMA, ropeMode: ROPE_TYPE_NEOX, normsHeads: true },
  gemma3: {
    ropeMode: ROPE_TYPE_NEOX,
    normsHeads: true,
    normsResults: true,
    activation: "gelu",
    scalesEmbedding: true,
    fullAttentionEvery: 6,
    // Gemma 3 27B, which llama.cpp knows by its layers.
    evenHeadScaleLayers: 62,
  },
}));

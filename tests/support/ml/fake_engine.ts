/** An engine without a model, for tests of the code around it: equal requests give equal replies. */
import { createHash } from "node:crypto";
import { ApiError } from "../../../lib/errors.ts";
import { requesterOf, RequestQueue } from "../../../ml/engine/request_queue.ts";
import type { Engine, GenerationRequest } from "../../../ml/engine/engine.ts";

export interface FakeEngineOptions {
  /** Says that this is a test; without it the engine refuses to be made. */
  forTests: boolean;
  capacity?: number;
  queueLimit?: number;
  /** Awaited before each word, so that a test can pause a generation. */
  beforeWord?: (index: number) => Promise<void> | void;
}

const WORDS = [
  "sure",
  "sounds",
  "good",
  "see",
  "you",
  "there",
  "at",
  "eight",
  "then",
  "maybe",
  "later",
  "thanks",
];
const REPLY_WORDS = 6;

/** Words that depend only on what shapes a reply. */
function wordsOf({ prompt, temperature, seed }: GenerationRequest): string[] {
  const digest = createHash("sha256").update(JSON.stringify([prompt, temperature, seed ?? 0])).digest();
  return Array.from({ length: REPLY_WORDS }, (_, index) => WORDS[(digest[index] ?? 0) % WORDS.length] ?? "");
}

/**
 * Makes the engine.
 *
 * @throws TypeError unless `forTests` is set
 */
export function createFakeEngine(options: FakeEngineOptions): Engine {
  if (options.forTests !== true) throw new TypeError("The fake engine is for tests only: set ENGINE=llama");
  const queue = new RequestQueue({ capacity: options.capacity ?? 1, queueLimit: options.queueLimit ?? 8 });
  let modelId: string | null = null;
  return {
    get modelId() {
      return modelId;
    },
    get occupancy() {
      const { running, waiting, capacity } = queue;
      return { running, waiting, capacity };
    },
    load({ id }) {
      modelId = id;
      return Promise.resolve();
    },
    async generate(request, { signal, onToken } = {}) {
      using _slot = await queue.acquire(signal, requesterOf(request));
      if (modelId === null) throw new ApiError("model_not_loaded", "No model is loaded");
      const words = wordsOf(request).slice(0, request.maxTokens);
      for (const [index, word] of words.entries()) {
        await options.beforeWord?.(index);
        signal?.throwIfAborted();
        onToken?.(index === 0 ? word : ` ${word}`);
      }
      return {
        modelId,
        text: words.join(" "),
        confidence: 0.5,
        tokensUsed: words.length,
        finishReason: words.length < REPLY_WORDS ? "length" : "stop",
        timings: {
          queue_ms: 0,
          prompt_ms: 0,
          prompt_tokens: 1,
          cached_tokens: 0,
          generate_ms: 0,
          tokens_per_second: 0,
        },
      };
    },
    evaluate: ({ samples }) =>
      Promise.resolve(samples.map(({ output }) => {
        const tokens = output.split(" ").length;
        return { tokens, logLikelihood: -tokens };
      })),
    probeAdapter: () => Promise.resolve({ probe: "measured", shift: 1, expectedShift: null }),
    retireAdapter: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Tests that the engine takes the pinned release of llama.cpp alone. */
import assert from "node:assert/strict";
import { closeLlama, openLlama } from "../llama/llama_library.ts";
import { silentLogger } from "../../../lib/log.ts";
import { GGML_COMMIT, GGML_VERSION } from "../../training/ggml/constants.ts";
import { checkRelease, CONTEXT_DEFAULTS, MODEL_DEFAULTS, openLibLlama } from "./library.ts";

function bytesOf(words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

const PINNED = {
  version: GGML_VERSION,
  commit: GGML_COMMIT,
  modelDefaults: bytesOf(MODEL_DEFAULTS),
  contextDefaults: bytesOf(CONTEXT_DEFAULTS),
};

Deno.test("the installed library is the pinned release", async () => {
  await using stack = new AsyncDisposableStack();
  const llama = stack.adopt(await openLlama({ gpu: "off", log: silentLogger() }), closeLlama);
  assert.equal(typeof openLibLlama(llama).llama_decode, "function");
});

Deno.test("another release is refused with a sentence that says what to do", () => {
  assert.throws(
    () => checkRelease({ ...PINNED, commit: "0000000" }),
    /written for ggml .* the installed library is ggml .* \(0000000\): install the node-llama-cpp version/,
  );
  assert.throws(() => checkRelease({ ...PINNED, version: "0.0.1" }), /is ggml 0\.0\.1/);
});

Deno.test("a struct with a field more, less, or elsewhere is refused by its name", () => {
  checkRelease(PINNED);
  const [first = 0, second = 0, ...rest] = CONTEXT_DEFAULTS;
  for (const words of [[second, first, ...rest], [...CONTEXT_DEFAULTS, 0], CONTEXT_DEFAULTS.slice(0, -1)]) {
    assert.throws(
      () => checkRelease({ ...PINNED, contextDefaults: bytesOf(words) }),
      /lays out llama_context_params in another way/,
    );
  }
  assert.throws(
    () => checkRelease({ ...PINNED, modelDefaults: bytesOf(MODEL_DEFAULTS.map((word) => word + 1)) }),
    /lays out llama_model_params in another way/,
  );
});

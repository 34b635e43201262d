/** Tests that only the pinned ggml is used, and that its constants are those of the library. */
import { CpuBackend } from "./backend.ts";
import { checkLibrary, openGgml, type SelfDescription } from "./library.ts";
import { cText, textAt } from "./ffi.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { findLibrary } from "./library_files.ts";
import { TrainingError } from "../training_error.ts";

function isUnusable(words: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof TrainingError && error.code === "library_unusable" && words.test(error.message);
}

/** The library as it describes itself, but for one answer. */
function describedWith(changes: Partial<SelfDescription>): SelfDescription {
  return { ...openGgml(), ...changes };
}

Deno.test("the installed library is the one that the constants were read from", () => {
  checkLibrary(openGgml());
});

Deno.test("another version, type, block, operation or struct size is refused with a sentence", () => {
  const other = cText("0.99.0");
  const pointer = Deno.UnsafePointer.of(other);
  const differences: [Partial<SelfDescription>, RegExp][] = [
    [{ ggml_version: () => pointer }, /version is 0\.99\.0, not 0\.23\.0/],
    [{ ggml_commit: () => pointer }, /commit is 0\.99\.0/],
    [{ ggml_type_name: () => pointer }, /type 0 is 0\.99\.0, not f32/],
    [{ ggml_op_name: () => pointer }, /operation 2 is 0\.99\.0, not ADD/],
    [{ ggml_type_size: () => 3n }, /the size of f32 is 3, not 4/],
    [{ ggml_blck_size: () => 64n }, /a block of f32 is 64, not 1/],
    [{ ggml_tensor_overhead: () => 400n }, /tensor's description is 400/],
  ];
  for (const [change, words] of differences) {
    assert.throws(() => checkLibrary(describedWith(change)), isUnusable(words));
  }
  assert.equal(textAt(pointer), "0.99.0");
});

Deno.test("the libraries are found under the names of every build of the package", async () => {
  const builds = [
    ["libllama.v0.4.0.so", "libggml.v0.4.0.so"],
    ["libllama.vulkan.v0.4.0.so", "libggml.vulkan.v0.4.0.so"],
    ["libllama.cuda.v0.4.0.so", "libggml.cuda.v0.4.0.so"],
    ["libllama.metal.v0.4.0.dylib", "libggml.metal.v0.4.0.dylib"],
    ["llama.v0.4.0.dll", "ggml.v0.4.0.dll"],
  ];
  for (const [llama = "", ggml = ""] of builds) {
    await inTempDir(async (dir) => {
      const others = ["libllama-common.so", "libggml-base.so", "libggml-vulkan.so", "llama-addon.node"];
      for (const name of [llama, ggml, ...others]) await Deno.writeTextFile(join(dir, name), "");
      assert.deepEqual(
        ["llama", "ggml", "ggml-base"].map((name) => findLibrary(dir, name)),
        [llama, ggml, "libggml-base.so"].map((name) => join(dir, name)),
      );
    });
  }
});

Deno.test("a backend starts with the number of threads it is given, repeatedly", () => {
  for (const threads of [1, 2, 1]) {
    using backend = new CpuBackend(threads);
    assert.ok(backend.handle);
  }
});

/** Owns the proof, at start, that the opened library is the one whose headers the constants were read from. */
import { TrainingError } from "../trainer.ts";
import {
  GGML_COMMIT,
  GGML_TYPE,
  GGML_VERSION,
  OPERATION_NUMBERS,
  TENSOR_OVERHEAD_BYTES,
  TYPE_BLOCKS,
  type TypeName,
} from "./constants.ts";
import { textAt } from "./text.ts";

/** What the library can be asked about itself. */
export interface SelfDescription {
  ggml_version(): Deno.PointerValue;
  ggml_commit(): Deno.PointerValue;
  ggml_type_name(type: number): Deno.PointerValue;
  ggml_op_name(operation: number): Deno.PointerValue;
  ggml_type_size(type: number): bigint;
  ggml_blck_size(type: number): bigint;
  ggml_tensor_overhead(): bigint;
}

function expectEqual(what: string, actual: string | number | bigint, expected: string | number): void {
  if (String(actual) === String(expected)) return;
  throw new TrainingError(
    "library_unusable",
    `Training is written for ggml ${GGML_VERSION} (${GGML_COMMIT}), the installed library differs: ${what} is ` +
      `${actual}, not ${expected}. Install the node-llama-cpp version that deno.json names`,
  );
}

/**
 * Compares version, types, operations and struct size with the constants.
 *
 * @throws TrainingError `library_unusable` at the first difference
 */
export function checkLibrary(library: SelfDescription): void {
  expectEqual("its version", textAt(library.ggml_version()), GGML_VERSION);
  expectEqual("its commit", textAt(library.ggml_commit()), GGML_COMMIT);
  for (const name of Object.keys(GGML_TYPE) as TypeName[]) {
    const type = GGML_TYPE[name];
    expectEqual(`type ${type}`, textAt(library.ggml_type_name(type)), name);
    expectEqual(`a block of ${name}`, library.ggml_blck_size(type), TYPE_BLOCKS[name].elements);
    expectEqual(`the size of ${name}`, library.ggml_type_size(type), TYPE_BLOCKS[name].bytes);
  }
  for (const [name, operation] of Object.entries(OPERATION_NUMBERS)) {
    expectEqual(`operation ${operation}`, textAt(library.ggml_op_name(operation)), name);
  }
  expectEqual("a tensor's description", library.ggml_tensor_overhead(), TENSOR_OVERHEAD_BYTES);
}

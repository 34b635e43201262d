/** Opens ggml's shared libraries, checks that they are the pinned version, and registers the CPU backend. */
import {
  GGML_COMMIT,
  GGML_TYPE,
  GGML_VERSION,
  OPERATION_NUMBERS,
  TENSOR_OVERHEAD_BYTES,
  TYPE_BLOCKS,
  type TypeName,
} from "./constants.ts";
import { BASE_SYMBOLS, cText, REGISTRY_SYMBOLS, textAt } from "./ffi.ts";
import { messageOf } from "../../../lib/errors.ts";
import { findLibraryFiles, type LibraryFiles } from "./library_files.ts";
import { TrainingError } from "../training_error.ts";

/** The functions by which the library describes itself. */
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
      `${actual}, not ${expected}`,
    { fix: "Install the node-llama-cpp version that deno.json names" },
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

/** The functions of ggml. Pointers are typed by kind. */
export type Ggml =
  & Deno.DynamicLibrary<typeof BASE_SYMBOLS>["symbols"]
  & Deno.DynamicLibrary<typeof REGISTRY_SYMBOLS>["symbols"];

const LOG_CALLBACK = { parameters: ["i32", "pointer", "pointer"], result: "void" } as const;

/**
 * Runs native work whose failures are thrown as errors, without ggml also writing them to stderr.
 *
 * @param work must not be computing: other threads may not call back into JavaScript
 */
export function quietly<Result>(
  ggml: Pick<Ggml, "ggml_log_get" | "ggml_log_set">,
  work: () => Result,
): Result {
  using silent = new DisposableStack();
  const callback = silent.adopt(
    new Deno.UnsafeCallback(LOG_CALLBACK, () => {}),
    (callback) => callback.close(),
  );
  const [log, userData] = [new BigUint64Array(1), new BigUint64Array(1)];
  ggml.ggml_log_get(log, userData);
  ggml.ggml_log_set(callback.pointer, null);
  silent.defer(() =>
    ggml.ggml_log_set(Deno.UnsafePointer.create(log[0] ?? 0n), Deno.UnsafePointer.create(userData[0] ?? 0n))
  );
  return work();
}

/** Registers the CPU backends of a folder. */
function loadBackends(ggml: Ggml, directory: string): void {
  const cpu = cText("CPU");
  if (ggml.ggml_backend_reg_by_name(cpu) !== null) return;
  quietly(ggml, () => ggml.ggml_backend_load_all_from_path(cText(directory)));
  if (ggml.ggml_backend_reg_by_name(cpu) !== null) return;
  throw new TrainingError(
    "library_unusable",
    `No CPU backend of ggml in ${directory} runs on this processor`,
  );
}

function open(files: LibraryFiles): Ggml {
  try {
    const base = Deno.dlopen(files.base, BASE_SYMBOLS);
    checkLibrary(base.symbols);
    const registry = Deno.dlopen(files.registry, REGISTRY_SYMBOLS);
    return { ...base.symbols, ...registry.symbols };
  } catch (error) {
    if (error instanceof TrainingError) throw error;
    throw new TrainingError("library_unusable", `ggml's library cannot be opened: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

let opened: Ggml | undefined;

/**
 * Opens ggml once per process; the library stays loaded, as its worker threads' code must.
 *
 * @throws TrainingError `library_unusable` when it is missing, of another version, or unfit for this machine
 */
export function openGgml(): Ggml {
  if (opened === undefined) {
    const files = findLibraryFiles();
    const ggml = open(files);
    loadBackends(ggml, files.directory);
    opened = ggml;
  }
  return opened;
}

/** Finds the memory in which ggml lays out matrices for a processor's matrix unit (AMX on Intel's servers). */
import type { TypeName } from "./constants.ts";
import { type BufferTypeHandle, cText, type DeviceHandle, textAt } from "./ffi.ts";
import type { Ggml } from "./library.ts";

/** `ggml_backend_dev_get_extra_bufts_t` of ggml-backend.h: an array that ends with a null pointer. */
const EXTRA_BUFFER_TYPES = { parameters: ["pointer"], result: "pointer" } as const;
/** The name of amx.cpp's buffer type. Its 8-bit products are 5 to 10 times as fast as any others of ggml's. */
const NAME = "AMX";
const POINTER_BYTES = 8;

/** Types that the unit multiplies by, and the multiple of elements that a row must have (amx.cpp). */
const ROW_MULTIPLES: Partial<Record<TypeName, number>> = {
  q4_0: 32,
  q4_1: 32,
  q8_0: 32,
  q4_K: 256,
  q5_K: 256,
  q6_K: 256,
};
/** The number of rows must be a multiple of this. */
const COLUMN_MULTIPLE = 32;

/** Whether the unit can multiply by a matrix of this type and shape. */
export function suitsMatrixUnit(type: TypeName, options: { columns: number; rows: number }): boolean {
  const multiple = ROW_MULTIPLES[type];
  return multiple !== undefined && options.columns % multiple === 0 && options.rows % COLUMN_MULTIPLE === 0;
}

function extraBufferTypes(ggml: Ggml): BufferTypeHandle[] {
  const registration = ggml.ggml_backend_reg_by_name(cText("CPU"));
  const name = cText("ggml_backend_dev_get_extra_bufts");
  const address = ggml.ggml_backend_reg_get_proc_address(registration, name);
  const device: DeviceHandle | null = ggml.ggml_backend_reg_dev_get(registration, 0n);
  if (address === null || device === null) return [];
  const list = new Deno.UnsafeFnPointer(
    address as Deno.PointerObject<typeof EXTRA_BUFFER_TYPES>,
    EXTRA_BUFFER_TYPES,
  ).call(device);
  if (list === null) return [];
  const found: BufferTypeHandle[] = [];
  const view = new Deno.UnsafePointerView(list);
  for (let index = 0;; index++) {
    const type: BufferTypeHandle | null = view.getPointer(index * POINTER_BYTES);
    if (type === null) return found;
    found.push(type);
  }
}

/** The buffer type of the processor's matrix unit; null when it has none. */
export function matrixUnitMemory(ggml: Ggml): BufferTypeHandle | null {
  return extraBufferTypes(ggml).find((type) => textAt(ggml.ggml_backend_buft_name(type)) === NAME) ?? null;
}

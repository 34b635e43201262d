/** Reads a GGUF file: its metadata, its tensor directory, and the tensors' bytes. */
import { GGUF_TYPE, type GgufTypeName, TYPE_NAMES, type TypeName } from "./constants.ts";
import { cText, type GgufHandle, textAt } from "./ffi.ts";
import { type Ggml, quietly } from "./library.ts";
import { TrainingError } from "../training_error.ts";

/** A tensor's entry in the file's directory. */
export interface GgufTensorInfo {
  name: string;
  type: TypeName;
  /** In ggml's order, four numbers. */
  shape: readonly [number, number, number, number];
  sizeBytes: number;
  /** From the start of the file. */
  offsetBytes: number;
}

const KEY_TYPES = new Map<number, GgufTypeName>(
  (Object.entries(GGUF_TYPE) as [GgufTypeName, number][]).map(([name, type]) => [type, name]),
);

/** Reads each numeric metadata type from memory, where the library stores values as the file does. */
const NUMBER_READERS: Partial<Record<GgufTypeName, (view: Deno.UnsafePointerView) => number>> = {
  u8: (view) => view.getUint8(),
  i8: (view) => view.getInt8(),
  u16: (view) => view.getUint16(),
  i16: (view) => view.getInt16(),
  u32: (view) => view.getUint32(),
  i32: (view) => view.getInt32(),
  u64: (view) => Number(view.getBigUint64()),
  i64: (view) => Number(view.getBigInt64()),
  f32: (view) => view.getFloat32(),
  f64: (view) => view.getFloat64(),
};

/** An open GGUF file. */
export class GgufFile implements Disposable {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
  readonly #ggml: Ggml;
  readonly #handle: GgufHandle;
  readonly #file: Deno.FsFile;

  /** @throws TrainingError `model_unreadable` for a file that is missing, truncated or not GGUF */
  constructor(ggml: Ggml, path: string) {
    this.path = path;
    this.#ggml = ggml;
    this.#file = openFile(path);
    // struct gguf_init_params of gguf.h: no_alloc, and no context to put the tensors in
    const params = new Uint8Array(16);
    params[0] = 1;
    const handle = quietly(ggml, () => ggml.gguf_init_from_file(cText(path), params));
    if (handle === null) {
      this.#file.close();
      throw new TrainingError("model_unreadable", `The model file ${path} is cut short or no GGUF`);
    }
    this.#handle = handle;
    try {
      this.tensors = this.#readDirectory();
      this.#checkLength();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** A string of the metadata; undefined when the file has none of that name. */
  text(key: string): string | undefined {
    const id = this.#find(key);
    if (id === undefined || this.#typeOf(id) !== "str") return undefined;
    return textAt(this.#ggml.gguf_get_val_str(this.#handle, id));
  }

  /** A number of the metadata, of any width. */
  number(key: string): number | undefined {
    const id = this.#find(key);
    const read = id === undefined ? undefined : NUMBER_READERS[this.#typeOf(id) ?? "str"];
    if (id === undefined || read === undefined) return undefined;
    const data = this.#ggml.gguf_get_val_data(this.#handle, id);
    return data === null ? undefined : read(new Deno.UnsafePointerView(data));
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  /** Reads a tensor's bytes into memory of at least its size. */
  readTensor(info: GgufTensorInfo, into: Uint8Array): void {
    this.#file.seekSync(info.offsetBytes, Deno.SeekMode.Start);
    for (let done = 0; done < info.sizeBytes;) {
      const count = this.#file.readSync(into.subarray(done, info.sizeBytes));
      if (!count) throw cutShort(this.path);
      done += count;
    }
  }

  #find(key: string): bigint | undefined {
    const id = this.#ggml.gguf_find_key(this.#handle, cText(key));
    return id < 0n ? undefined : id;
  }

  #typeOf(id: bigint): GgufTypeName | undefined {
    return KEY_TYPES.get(this.#ggml.gguf_get_kv_type(this.#handle, id));
  }

  #readDirectory(): Map<string, GgufTensorInfo> {
    const [ggml, handle] = [this.#ggml, this.#handle];
    const dataOffset = Number(ggml.gguf_get_data_offset(handle));
    const tensors = new Map<string, GgufTensorInfo>();
    for (let id = 0n; id < ggml.gguf_get_n_tensors(handle); id++) {
      const name = textAt(ggml.gguf_get_tensor_name(handle, id));
      const number = ggml.gguf_get_tensor_type(handle, id);
      const type = TYPE_NAMES.get(number);
      if (type === undefined) {
        const typeName = textAt(ggml.ggml_type_name(number));
        throw new TrainingError(
          "model_unsupported",
          `The model file holds weights of type ${typeName}, which training does not know`,
          { fix: "Take one of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K" },
        );
      }
      tensors.set(name, {
        name,
        type,
        shape: shapeAt(ggml.gguf_get_tensor_ne(handle, id)),
        sizeBytes: Number(ggml.gguf_get_tensor_size(handle, id)),
        offsetBytes: dataOffset + Number(ggml.gguf_get_tensor_offset(handle, id)),
      });
    }
    return tensors;
  }

  #checkLength(): void {
    const { size } = this.#file.statSync();
    for (const { offsetBytes, sizeBytes } of this.tensors.values()) {
      if (offsetBytes + sizeBytes > size) throw cutShort(this.path);
    }
  }

  [Symbol.dispose](): void {
    this.#ggml.gguf_free(this.#handle);
    this.#file.close();
  }
}

function cutShort(path: string): TrainingError {
  return new TrainingError("model_unreadable", `The model file ${path} is cut short`, {
    fix: "Get it again",
  });
}

function openFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (error) {
    throw new TrainingError("model_unreadable", `The model file ${path} cannot be read`, { cause: error });
  }
}

function shapeAt(pointer: Deno.PointerValue): [number, number, number, number] {
  if (pointer === null) {
    throw new TrainingError("model_unreadable", "A tensor of the model file has no shape");
  }
  const view = new Deno.UnsafePointerView(pointer);
  const at = (index: number) => Number(view.getBigInt64(index * 8));
  return [at(0), at(1), at(2), at(3)];
}

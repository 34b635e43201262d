/** Mutates model files: seeded changes of their headers, among them some on which llama.cpp aborts. */
import { join } from "node:path";
import { seededRandom } from "../../../ml/engine/sampling.ts";

/** A GGUF header's keys are followed by the value's type (4 bytes) and the value. */
const VALUE_OFFSET = 4;
const CHANGED_BYTES = 4;
/** The tiny model's numbers and the first of its tokens' names. */
const HEADER_BYTES = 600;

/** Numbers that llama.cpp does not check before it asserts something of them. */
const ABORTING: readonly (readonly [key: string, value: number])[] = [
  ["llama.attention.head_count_kv", 0],
  ["llama.block_count", 50_000],
];

function withNumber(whole: Uint8Array<ArrayBuffer>, [key, value]: readonly [string, number]) {
  const bytes = whole.slice();
  const at = new TextDecoder("latin1").decode(bytes).indexOf(key);
  if (at < 0) throw new TypeError(`The model file has no ${key}`);
  new DataView(bytes.buffer).setUint32(at + key.length + VALUE_OFFSET, value, true);
  return bytes;
}

function withNoise(whole: Uint8Array<ArrayBuffer>, seed: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const bytes = whole.slice();
  for (let change = 0; change < CHANGED_BYTES; change++) bytes[below(HEADER_BYTES)] = below(256);
  return seed % 3 === 0 ? bytes.subarray(0, below(bytes.length)) : bytes;
}

/** Writes mutated copies of a model into a folder and returns their paths: first those that abort llama.cpp. */
export async function writeMutatedModels(
  { path, dir }: { path: string; dir: string },
  { count }: { count: number },
): Promise<string[]> {
  const whole = await Deno.readFile(path);
  return await Promise.all(Array.from({ length: count }, async (_, index) => {
    const number = ABORTING[index];
    const bytes = number === undefined ? withNoise(whole, index) : withNumber(whole, number);
    const mutated = join(dir, `mutated-${index}.gguf`);
    await Deno.writeFile(mutated, bytes);
    return mutated;
  }));
}

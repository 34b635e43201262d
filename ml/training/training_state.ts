/** Reads and writes a trainer's state file: settings, step count, parameters, moments and a checksum. */
import { createHash } from "node:crypto";
import type { AdapterState } from "./model/adapter_state.ts";
import { writeFileAtomically } from "../../lib/files.ts";
import { TrainingError } from "./training_error.ts";

/** The first bytes of the file; the number is the format's version. */
const MAGIC = "conversation-assistant training state 1\n";
const CHECKSUM_BYTES = 32;
const LENGTH_BYTES = 4;

type Settings = Readonly<Record<string, string | number>>;

interface Header {
  settings: Settings;
  steps: number;
}

function bytesOf(numbers: Float32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function checksumOf(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}

/** Writes magic, header's length, header, numbers, SHA-256 of all before it. */
export async function writeState(
  path: string,
  adapter: AdapterState,
  options: { settings: Settings },
): Promise<void> {
  const header: Header = { settings: options.settings, steps: adapter.steps };
  const headerBytes = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, headerBytes.length, true);
  const numbers = [adapter.parameters, ...adapter.moments].map(bytesOf);
  const body = joined([new TextEncoder().encode(MAGIC), length, headerBytes, ...numbers]);
  await writeFileAtomically(path, joined([body, checksumOf(body)]));
}

function badState(reason: string): TrainingError {
  return new TrainingError("bad_state", `The saved training state cannot be used: ${reason}`);
}

async function readBody(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(path).catch((error) => {
    throw new TrainingError("bad_state", `The saved training state ${path} cannot be read`, { cause: error });
  });
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const isIntact = bytes.length > CHECKSUM_BYTES + MAGIC.length + LENGTH_BYTES &&
    checksumOf(body).every((byte, index) => byte === bytes[body.length + index]);
  if (!isIntact) throw badState("its file is damaged");
  if (new TextDecoder().decode(body.subarray(0, MAGIC.length)) !== MAGIC) {
    throw badState("its file is of another format");
  }
  return body;
}

function checkSettings(saved: Settings, expected: Settings): void {
  for (const name of new Set([...Object.keys(saved), ...Object.keys(expected)])) {
    if (saved[name] === expected[name]) continue;
    throw badState(`it was saved with ${name} ${saved[name]}, this training has ${expected[name]}`);
  }
}

/**
 * Restores a saved state.
 *
 * @throws TrainingError `bad_state`; the adapter is then as it was
 */
export async function readState(
  path: string,
  adapter: AdapterState,
  options: { settings: Settings },
): Promise<void> {
  const body = await readBody(path);
  const headerStart = MAGIC.length + LENGTH_BYTES;
  const numbersStart = headerStart +
    new DataView(body.buffer, body.byteOffset).getUint32(MAGIC.length, true);
  const header: Header = JSON.parse(new TextDecoder().decode(body.subarray(headerStart, numbersStart)));
  // Normalised as in the file: JSON has no Infinity.
  checkSettings(header.settings, JSON.parse(JSON.stringify(options.settings)));
  const targets = [adapter.parameters, ...adapter.moments];
  const sizeBytes = targets.reduce((sum, target) => sum + target.byteLength, 0);
  if (body.length - numbersStart !== sizeBytes) throw badState("its file is of another size");
  let offset = numbersStart;
  for (const target of targets) {
    bytesOf(target).set(body.subarray(offset, offset + target.byteLength));
    offset += target.byteLength;
  }
  adapter.steps = header.steps;
}

/** An adapter as it is copied from one service to another: its manifest as one line of JSON, then its file. */
import { invalidRequest } from "../../lib/errors.ts";
import { type AdapterManifest, adapterManifestSchema } from "./adapter_manifest.ts";

/** A manifest takes about 1 KiB. */
const MAX_MANIFEST_BYTES = 64 * 1024;
const NEWLINE = 10;

type Bytes = Uint8Array<ArrayBuffer>;

/** A copy that is being received. */
export interface AdapterCopy {
  readonly manifest: AdapterManifest;
  /** The file, from its first byte. */
  readonly file: ReadableStream<Bytes>;
}

/** An adapter as a stream of bytes; the file is opened at once. */
export async function adapterCopyOf(manifest: AdapterManifest, path: string): Promise<ReadableStream<Bytes>> {
  const { readable } = await Deno.open(path);
  const line = new TextEncoder().encode(`${JSON.stringify(manifest)}\n`);
  return ReadableStream.from((async function* () {
    yield line;
    yield* readable;
  })());
}

/** The bytes of the first line, and what came behind it. */
async function splitLine(reader: ReadableStreamDefaultReader<Bytes>): Promise<{ line: Bytes; rest: Bytes }> {
  let bytes: Bytes = new Uint8Array(0);
  for (let end = -1; end < 0;) {
    const { value } = await reader.read();
    if (value === undefined || bytes.length > MAX_MANIFEST_BYTES) break;
    bytes = await new Blob([bytes, value]).bytes();
    end = bytes.indexOf(NEWLINE);
    if (end >= 0) return { line: bytes.subarray(0, end), rest: bytes.subarray(end + 1) };
  }
  throw invalidRequest([{ path: "", message: "must begin with a line of JSON, the adapter's manifest" }]);
}

function manifestOf(line: Bytes): AdapterManifest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(line));
  } catch {
    // The schema says that it is no manifest.
  }
  const manifest = adapterManifestSchema.safeParse(value);
  if (manifest.success) return manifest.data;
  const [issue] = manifest.error.issues;
  throw invalidRequest([{
    path: ["manifest", ...issue?.path ?? []].join("."),
    message: issue?.message ?? "must be an adapter's manifest",
  }]);
}

/**
 * Reads a copy up to its file, which is left to the caller.
 *
 * @throws ApiError `validation_failed` when it does not begin with a manifest
 */
export async function readAdapterCopy(bytes: ReadableStream<Bytes>): Promise<AdapterCopy> {
  const reader = bytes.getReader();
  const { line, rest } = await splitLine(reader);
  reader.releaseLock();
  const file = ReadableStream.from((async function* () {
    yield rest;
    yield* bytes;
  })());
  return { manifest: manifestOf(line), file };
}

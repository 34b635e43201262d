/** Owns reading one entry of a zip archive as a stream, which is what a Python wheel is. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createInflateRaw } from "node:zlib";

/** Signatures, sizes and offsets of the zip format: PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16. */
const END_SIGNATURE = 0x06054b50;
const CENTRAL_SIGNATURE = 0x02014b50;
const END_LENGTH = 22;
const CENTRAL_LENGTH = 46;
const LOCAL_LENGTH = 30;
const MAX_COMMENT_LENGTH = 0xffff;
const METHOD_STORED = 0;
const METHOD_DEFLATED = 8;

interface ZipEntry {
  method: number;
  compressedBytes: number;
  headerOffset: number;
}

type FileHandle = Awaited<ReturnType<typeof open>>;

async function readAt(file: FileHandle, position: number, length: number): Promise<DataView> {
  const bytes = new Uint8Array(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead < length) throw new SyntaxError("The zip archive ends too early");
  return new DataView(bytes.buffer);
}

/** The central directory, found through the record at the archive's end. */
async function readDirectory(file: FileHandle): Promise<DataView> {
  const { size } = await file.stat();
  const tailLength = Math.min(size, END_LENGTH + MAX_COMMENT_LENGTH);
  const tail = await readAt(file, size - tailLength, tailLength);
  for (let at = tailLength - END_LENGTH; at >= 0; at--) {
    if (tail.getUint32(at, true) !== END_SIGNATURE) continue;
    return readAt(file, tail.getUint32(at + 16, true), tail.getUint32(at + 12, true));
  }
  throw new SyntaxError("This is no zip archive: it has no end record");
}

function findEntry(directory: DataView, name: string): ZipEntry | null {
  const decoder = new TextDecoder();
  for (let at = 0; at + CENTRAL_LENGTH <= directory.byteLength;) {
    if (directory.getUint32(at, true) !== CENTRAL_SIGNATURE) break;
    const nameLength = directory.getUint16(at + 28, true);
    const nameBytes = new Uint8Array(
      directory.buffer,
      directory.byteOffset + at + CENTRAL_LENGTH,
      nameLength,
    );
    if (decoder.decode(nameBytes) === name) {
      return {
        method: directory.getUint16(at + 10, true),
        compressedBytes: directory.getUint32(at + 20, true),
        headerOffset: directory.getUint32(at + 42, true),
      };
    }
    at += CENTRAL_LENGTH + nameLength + directory.getUint16(at + 30, true) +
      directory.getUint16(at + 32, true);
  }
  return null;
}

/**
 * The uncompressed bytes of one entry. Archives above 4 GiB (zip64) are not read.
 *
 * @throws SyntaxError when the file is no zip archive, has no such entry, or packs it in an unknown way
 */
export async function openZipEntry(path: string, entryName: string): Promise<Readable> {
  const file = await open(path);
  try {
    const entry = findEntry(await readDirectory(file), entryName);
    if (!entry) throw new SyntaxError(`The zip archive has no entry ${entryName}`);
    const header = await readAt(file, entry.headerOffset, LOCAL_LENGTH);
    const start = entry.headerOffset + LOCAL_LENGTH + header.getUint16(26, true) + header.getUint16(28, true);
    const packed = createReadStream(path, { start, end: start + entry.compressedBytes - 1 });
    if (entry.method === METHOD_STORED) return packed;
    if (entry.method !== METHOD_DEFLATED) throw new SyntaxError(`The zip method ${entry.method} is unknown`);
    const inflate = createInflateRaw();
    packed.on("error", (error) => inflate.destroy(error));
    return packed.pipe(inflate);
  } finally {
    await file.close();
  }
}

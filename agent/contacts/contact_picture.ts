/** Owns the picture of a card: where its bytes are, and the hash by which a change of it is known. */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";

/** First byte of an image column: the image itself follows, or the name of a file does. */
const INLINE_FRAME = 0x01;
const EXTERNAL_FRAME = 0x02;
/** Folder of those files, beside the source. */
const EXTERNAL_DATA_FOLDER = ".AddressBook-v22_SUPPORT/_EXTERNAL_DATA";
const UUID = /^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/i;

/**
 * SHA-256 in hex of the image that a column of the source at `sourcePath` holds, whether inline or in a file beside
 * it. Null without an image, and when its file is not on this Mac.
 */
export function pictureHash(column: Uint8Array | null, sourcePath: string): string | null {
  if (column === null || column.length < 2) return null;
  const image = column[0] === EXTERNAL_FRAME ? readExternal(column, sourcePath) : unframed(column);
  return image && createHash("sha256").update(image).digest("hex");
}

function unframed(column: Uint8Array): Uint8Array {
  return column[0] === INLINE_FRAME ? column.subarray(1) : column;
}

function readExternal(column: Uint8Array, sourcePath: string): Uint8Array | null {
  const name = new TextDecoder("latin1").decode(column.subarray(1)).replace(/\0+$/, "");
  if (!UUID.test(name)) return null;
  try {
    return Deno.readFileSync(join(dirname(sourcePath), EXTERNAL_DATA_FOLDER, name));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

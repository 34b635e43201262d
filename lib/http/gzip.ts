/** Owns the compression of request bodies, and its undoing within a bound. */

/** Smaller bodies travel as they are: packing them saves no packet. */
export const LEAST_GZIP_BYTES = 4 * 1024;

/** Packs bytes as gzip. */
export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return await new Response(packed).bytes();
}

/**
 * Unpacks gzip; null when there is more in it than `maxBytes`, of which no more than that is ever held.
 *
 * @throws TypeError when it is no gzip, or not all of it
 */
export async function gunzip(
  packed: ReadableStream<Uint8Array<ArrayBuffer>>,
  { maxBytes }: { maxBytes: number },
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of packed.pipeThrough(new DecompressionStream("gzip"))) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return await new Blob(chunks).bytes();
}

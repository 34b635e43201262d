/** Request bodies: limits of their size, and decompression of those that come as gzip. */
import { bodyLimit, type MiddlewareHandler } from "../../deps.ts";
import { ApiError } from "../errors.ts";

/** How large request bodies may be; compressed ones before and after they are decompressed. */
export interface BodyLimits {
  maxBodyBytes: number;
  /** Limits of their own, by path. */
  maxBodyBytesOf?: Readonly<Record<string, number>>;
}

function tooLarge(how: string, maxBytes: number): ApiError {
  return new ApiError("payload_too_large", `The request body ${how} ${maxBytes / (1024 * 1024)} MiB`);
}

function limitBody(maxSize: number): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw tooLarge("is larger than", maxSize);
    },
  });
}

/** Answers larger bodies with 413. */
export function limitBodies(options: BodyLimits): MiddlewareHandler {
  const general = limitBody(options.maxBodyBytes);
  const own = new Map(
    Object.entries(options.maxBodyBytesOf ?? {}).map(([path, size]) => [path, limitBody(size)]),
  );
  return (c, next) => (own.get(c.req.path) ?? general)(c, next);
}

/**
 * Decompresses gzip; null when it holds more than `maxBytes`, of which no more than that is ever in memory.
 *
 * @throws TypeError when it is not gzip, or not complete
 */
export async function gunzip(
  compressed: ReadableStream<Uint8Array<ArrayBuffer>>,
  { maxBytes }: { maxBytes: number },
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let sizeBytes = 0;
  for await (const chunk of compressed.pipeThrough(new DecompressionStream("gzip"))) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return await new Blob(chunks).bytes();
}

function notGzip(): ApiError {
  return new ApiError("malformed_json", "The request body says that it is gzip, and is not", {
    details: [{ path: "", message: "must be valid gzip" }],
  });
}

function unknownEncoding(): ApiError {
  return new ApiError("unsupported_media_type", "The request body must be plain or packed as gzip", {
    details: [{ path: "", message: "must have the content encoding gzip or none" }],
  });
}

/**
 * Decompresses bodies of content encoding gzip, so that everything behind it sees them plain. It belongs behind
 * authentication: a small body may decompress to as much as the limit, all of it in memory.
 */
export function decompressBodies({ maxBodyBytes, maxBodyBytesOf }: BodyLimits): MiddlewareHandler {
  return async (c, next) => {
    const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
    const { body } = c.req.raw;
    if (encoding === "identity" || body === null) return await next();
    if (encoding !== "gzip") throw unknownEncoding();
    const maxBytes = maxBodyBytesOf?.[c.req.path] ?? maxBodyBytes;
    const plain = await gunzip(body, { maxBytes }).catch((error) => {
      c.req.raw.signal.throwIfAborted();
      throw error instanceof TypeError ? notGzip() : error;
    });
    if (plain === null) throw tooLarge("unpacks to more than", maxBytes);
    const headers = new Headers(c.req.raw.headers);
    headers.delete("content-encoding");
    headers.set("content-length", String(plain.length));
    c.req.raw = new Request(c.req.raw, { headers, body: plain });
    await next();
  };
}

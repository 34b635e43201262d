/** Request bodies: read within limits of their size and of the memory of all, and decompressed where they are gzip. */
import type { Context, MiddlewareHandler } from "../../deps.ts";
import { ApiError } from "../errors.ts";

/** How large request bodies may be; compressed ones before and after they are decompressed. */
export interface BodyLimits {
  maxBodyBytes: number;
  /** Limits of their own, by path. */
  maxBodyBytesOf?: Readonly<Record<string, number>>;
  /** Bytes of bodies that may be in memory at a time. Paths that allow more than this share what the largest allows. */
  maxBytesInFlight: number;
  /** Requests whose route reads the body itself, as it comes, and limits it. */
  isStreamed?: (request: { method: string; path: string }) => boolean;
}

const RETRY_AFTER_SECONDS = 2;
/** A body's first piece of memory: most fit into it. */
const FIRST_BYTES = 16 * 1024;

function sizeText(bytes: number): string {
  const mebibyte = 1024 * 1024;
  return bytes < mebibyte ? `${bytes / 1024} KiB` : `${bytes / mebibyte} MiB`;
}

function tooLarge(how: string, maxBytes: number): ApiError {
  return new ApiError("payload_too_large", `The request body ${how} ${sizeText(maxBytes)}`);
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

/** The memory that all bodies share. */
export class BodyBudget {
  #freeBytes: number;

  constructor(bytes: number) {
    this.#freeBytes = bytes;
  }

  /** @throws ApiError `overloaded` when that much is not free */
  take(bytes: number): void {
    if (bytes > this.#freeBytes) {
      throw new ApiError("overloaded", "Too many request bodies are being received: try again in a moment", {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      });
    }
    this.#freeBytes -= bytes;
  }

  release(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

/** A body as it arrives, in one piece of memory that grows: pieces as they were sent may each hold far more than they say. */
class ReceivedBody {
  readonly #budget: BodyBudget;
  readonly #maxBytes: number;
  #memory = new Uint8Array(0);
  #sizeBytes = 0;

  constructor(budget: BodyBudget, maxBytes: number) {
    this.#budget = budget;
    this.#maxBytes = maxBytes;
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#sizeBytes);
  }

  /** Adds a piece; false when the body becomes larger than it may be. @throws ApiError `overloaded` */
  append(piece: Uint8Array): boolean {
    const sizeBytes = this.#sizeBytes + piece.length;
    if (sizeBytes > this.#maxBytes) return false;
    if (sizeBytes > this.#memory.length) this.#grow(sizeBytes);
    this.#memory.set(piece, this.#sizeBytes);
    this.#sizeBytes = sizeBytes;
    return true;
  }

  release(): void {
    this.#budget.release(this.#memory.length);
    this.#memory = new Uint8Array(0);
  }

  #grow(neededBytes: number): void {
    const bytes = Math.min(this.#maxBytes, Math.max(FIRST_BYTES, neededBytes, 2 * this.#memory.length));
    this.#budget.take(bytes - this.#memory.length);
    const memory = new Uint8Array(bytes);
    memory.set(this.bytes);
    this.#memory = memory;
  }
}

/** Passes pieces on until they are more than a body may have. */
function limited(maxBytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let sizeBytes = 0;
  return new TransformStream({
    transform(piece, controller) {
      sizeBytes += piece.length;
      if (sizeBytes > maxBytes) throw tooLarge("is larger than", maxBytes);
      controller.enqueue(piece);
    },
  });
}

interface Incoming {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
  isGzip: boolean;
  maxBytes: number;
}

async function receive({ body, isGzip, maxBytes }: Incoming, received: ReceivedBody): Promise<void> {
  const plain = isGzip
    ? body.pipeThrough(limited(maxBytes)).pipeThrough(new DecompressionStream("gzip"))
    : body;
  // A loop over the stream would release its reader in the end, which costs a small request a tenth of its time.
  const reader = plain.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      if (!received.append(read.value)) {
        throw tooLarge(isGzip ? "unpacks to more than" : "is larger than", maxBytes);
      }
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

function incomingOf(c: Context, maxBytes: number): Incoming | null {
  const { body } = c.req.raw;
  if (body === null) return null;
  const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (encoding !== "identity" && encoding !== "gzip") throw unknownEncoding();
  if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw tooLarge("is larger than", maxBytes);
  return { body, isGzip: encoding === "gzip", maxBytes };
}

function errorOf(error: unknown, { c, isGzip }: { c: Context; isGzip: boolean }): unknown {
  if (error instanceof ApiError) return error;
  if (c.req.raw.signal.aborted) return new ApiError("cancelled", "The client left", { cause: error });
  return isGzip && error instanceof TypeError ? notGzip() : error;
}

/**
 * Receives each request's body, so that everything behind it finds it plain and complete. It belongs behind
 * authentication: what nobody is allowed to send is not read.
 */
export function receiveBodies(limits: BodyLimits): MiddlewareHandler {
  const { maxBodyBytes, maxBodyBytesOf = {}, maxBytesInFlight } = limits;
  const budget = new BodyBudget(maxBytesInFlight);
  const largeBudget = new BodyBudget(Math.max(maxBytesInFlight, ...Object.values(maxBodyBytesOf)));
  return async (c, next) => {
    if (limits.isStreamed?.(c.req)) return await next();
    const maxBytes = maxBodyBytesOf[c.req.path] ?? maxBodyBytes;
    const incoming = incomingOf(c, maxBytes);
    if (incoming === null) return await next();
    const received = new ReceivedBody(maxBytes > maxBytesInFlight ? largeBudget : budget, maxBytes);
    try {
      await receive(incoming, received).catch((error) => {
        throw errorOf(error, { c, isGzip: incoming.isGzip });
      });
      // What Hono reads a body's text, and its JSON, from.
      Object.assign(c.req.bodyCache, { text: Promise.resolve(new TextDecoder().decode(received.bytes)) });
      await next();
    } finally {
      received.release();
    }
  };
}

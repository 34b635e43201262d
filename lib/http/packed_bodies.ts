/** Owns taking in request bodies that come packed as gzip, so that everything behind it sees them plain. */
import type { MiddlewareHandler } from "../../deps.ts";
import { ApiError } from "../errors.ts";
import { gunzip } from "./gzip.ts";

function malformed(): ApiError {
  return new ApiError("malformed_json", "The request body says that it is gzip, and is not", {
    details: [{ path: "", message: "must be valid gzip" }],
  });
}

function unknownEncoding(): ApiError {
  return new ApiError("unsupported_media_type", "The request body must be plain or packed as gzip", {
    details: [{ path: "", message: "must have the content encoding gzip or none" }],
  });
}

/** How large request bodies may be; packed ones before and after they are unpacked. */
export interface BodyLimits {
  maxBodyBytes: number;
  /** Limits of their own, by path. */
  maxBodyBytesOf?: Readonly<Record<string, number>>;
}

/**
 * Unpacks bodies of content encoding gzip. To be put behind what refuses strangers: a small body may unpack to as much
 * as the limit, all of which is held.
 */
export function unpackBodies({ maxBodyBytes, maxBodyBytesOf }: BodyLimits): MiddlewareHandler {
  return async (c, next) => {
    const encoding = c.req.header("content-encoding")?.trim().toLowerCase() ?? "identity";
    const { body } = c.req.raw;
    if (encoding === "identity" || body === null) return await next();
    if (encoding !== "gzip") throw unknownEncoding();
    const maxBytes = maxBodyBytesOf?.[c.req.path] ?? maxBodyBytes;
    const plain = await gunzip(body, { maxBytes }).catch((error) => {
      c.req.raw.signal.throwIfAborted();
      throw error instanceof TypeError ? malformed() : error;
    });
    if (plain === null) {
      const limit = `${maxBytes / (1024 * 1024)} MiB`;
      throw new ApiError("payload_too_large", `The request body unpacks to more than ${limit}`);
    }
    const headers = new Headers(c.req.raw.headers);
    headers.delete("content-encoding");
    headers.set("content-length", String(plain.length));
    c.req.raw = new Request(c.req.raw, { headers, body: plain });
    await next();
  };
}

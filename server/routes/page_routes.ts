/** Serves the owner's page, a client of the API in the browser: `server/dashboard/`. It needs no token and loads nothing from elsewhere. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Context, Hono } from "../../deps.ts";
import type { ServerEnv } from "../auth/authenticate.ts";

const FOLDER = new URL("../dashboard/public/", import.meta.url);

/** The page's files by path: their name and content type. */
const FILES: Readonly<Record<string, readonly [name: string, contentType: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/early.js": ["early.js", "text/javascript; charset=utf-8"],
  "/curve.js": ["curve.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/icon.svg": ["icon.svg", "image/svg+xml"],
  "/manifest.webmanifest": ["manifest.webmanifest", "application/manifest+json"],
};

/** The page runs its own script and asks its own server; nothing else, whatever a message says. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  ...["script-src", "style-src", "img-src", "connect-src", "manifest-src"].map((kind) => `${kind} 'self'`),
  ...["base-uri", "form-action", "frame-ancestors"].map((kind) => `${kind} 'none'`),
].join("; ");

interface StoredFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
  readonly etag: string;
}

async function readFile(name: string): Promise<StoredFile> {
  const bytes = await Deno.readFile(new URL(name, FOLDER));
  const etag = `W/"${createHash("sha256").update(bytes).digest("base64url")}"`;
  return { bytes, gzipped: new Uint8Array(gzipSync(bytes, { level: 9 })), etag };
}

function answer(c: Context, { bytes, gzipped, etag }: StoredFile, contentType: string): Response {
  c.header("content-security-policy", CONTENT_SECURITY_POLICY);
  c.header("etag", etag);
  // A browser asks each time whether its copy is current, so that page and server are of one version.
  c.header("cache-control", "no-cache");
  c.header("vary", "accept-encoding");
  if (c.req.header("if-none-match") === etag) return c.body(null, 304);
  c.header("content-type", contentType);
  if (!/\bgzip\b/.test(c.req.header("accept-encoding") ?? "")) return c.body(bytes);
  c.header("content-encoding", "gzip");
  return c.body(gzipped);
}

/** The routes of the page; each file is read once. */
export function pageRoutes() {
  const app = new Hono<ServerEnv>();
  const stored = new Map<string, StoredFile>();
  for (const [path, [name, contentType]] of Object.entries(FILES)) {
    app.get(path, async (c) => {
      const file = stored.get(name) ?? await readFile(name);
      stored.set(name, file);
      return answer(c, file, contentType);
    });
  }
  return app;
}

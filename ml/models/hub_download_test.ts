/** Tests downloads against a local hub that breaks off, sends wrong files, stalls and resumes as real ones do. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { CatalogModel } from "./catalog.ts";
import { downloadFromHub, type HubDownloadOptions } from "./hub_download.ts";
import { ModelError } from "./model_file.ts";

const CONTENT = new Uint8Array(60_000).map((_, index) => (index * 31) % 251);
const CUT_AT = 20_000;

const MODEL: CatalogModel = {
  id: "test-model",
  title: "Test",
  licence: "none",
  fileName: "test.gguf",
  sizeBytes: CONTENT.length,
  sha256: createHash("sha256").update(CONTENT).digest("hex"),
  hub: { repository: "someone/test-gguf", revision: "abc123" },
};

/** How the hub answers one request. */
interface Answer {
  status?: number;
  headers?: Record<string, string>;
  bytes?: Uint8Array;
  /** `break` promises more than it sends and closes the connection; `stall` sends nothing further; `none` nothing. */
  ending?: "whole" | "break" | "stall" | "none";
}

/** `offset` is where the request's `Range` begins. */
type Handler = (offset: number) => Answer;

interface Bench {
  options: HubDownloadOptions;
  /** What was asked: path and `Range` of each request. */
  asked: { path: string; range: string | null }[];
  progress: number[];
}

function send(response: ServerResponse, { status = 200, headers, bytes, ending = "whole" }: Answer): void {
  if (ending === "none") return;
  if (ending === "whole") return void response.writeHead(status, headers).end(bytes);
  response.writeHead(status, { ...headers, "content-length": String(CONTENT.length * 2) });
  response.write(bytes ?? "", () => ending === "break" && response.socket?.end());
}

/** Answers the requests in turn with these handlers, the last one again and again. */
async function withHub(handlers: Handler[], use: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const asked: Bench["asked"] = [];
  const progress: number[] = [];
  const server = createServer((request, response) => {
    const range = request.headers.range ?? null;
    const handler = handlers[Math.min(asked.length, handlers.length - 1)] ?? whole;
    asked.push({ path: request.url ?? "", range });
    send(response, handler(Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const options = {
      hubUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      path: join(dir, MODEL.fileName),
      progress: { update: (done: number) => void progress.push(done), finish: () => {} },
      backoff: { baseMs: 1, capMs: 1 },
    };
    await use({ options, asked, progress });
  } finally {
    server.closeAllConnections();
    server.close();
    await Deno.remove(dir, { recursive: true });
  }
}

const whole: Handler = () => ({ bytes: CONTENT });

const resumed: Handler = (offset) => ({ status: offset > 0 ? 206 : 200, bytes: CONTENT.subarray(offset) });

/** Sends so many bytes from the offset, then closes the connection. */
function breakingAfter(count: number): Handler {
  return (offset) => ({
    status: offset > 0 ? 206 : 200,
    bytes: CONTENT.subarray(offset, offset + count),
    ending: "break",
  });
}

async function assertComplete({ options }: Bench): Promise<void> {
  assert.deepEqual(await Deno.readFile(options.path), CONTENT);
  await assert.rejects(Deno.stat(`${options.path}.part`), Deno.errors.NotFound);
}

Deno.test("a file comes from its repository at a fixed revision, with its progress", async () => {
  await withHub([whole], async (bench) => {
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
    assert.deepEqual(bench.asked, [{ path: "/someone/test-gguf/resolve/abc123/test.gguf", range: null }]);
    assert.equal(bench.progress.at(-1), CONTENT.length);
  });
});

Deno.test("the hub's redirect to its storage is followed", async () => {
  const redirect: Handler = () => ({ status: 302, headers: { location: "/storage/blob" } });
  await withHub([redirect, resumed], async (bench) => {
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
    assert.equal(bench.asked[1]?.path, "/storage/blob");
  });
});

Deno.test("a broken connection is resumed where it broke, as long as it makes progress", async () => {
  const handlers = [breakingAfter(CUT_AT), breakingAfter(5_000), breakingAfter(5_000), resumed];
  await withHub(handlers, async (bench) => {
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
    assert.deepEqual(bench.asked.map(({ range }) => range), [
      null,
      `bytes=${CUT_AT}-`,
      `bytes=${CUT_AT + 5_000}-`,
      `bytes=${CUT_AT + 10_000}-`,
    ]);
  });
});

Deno.test("a download that an earlier process left is resumed", async () => {
  await withHub([resumed], async (bench) => {
    await Deno.writeFile(`${bench.options.path}.part`, CONTENT.subarray(0, CUT_AT));
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
    assert.deepEqual(bench.asked.map(({ range }) => range), [`bytes=${CUT_AT}-`]);
  });
});

Deno.test("a hub without range support sends the entire file, and nothing is duplicated", async () => {
  await withHub([breakingAfter(CUT_AT), whole], async (bench) => {
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
  });
});

Deno.test("a complete part is verified and used without a request", async () => {
  await withHub([whole], async (bench) => {
    await Deno.writeFile(`${bench.options.path}.part`, CONTENT);
    await downloadFromHub(MODEL, bench.options);
    await assertComplete(bench);
    assert.deepEqual(bench.asked, []);
  });
});

const LIES: [string, Uint8Array<ArrayBuffer>, RegExp][] = [
  ["another file of the same size", new Uint8Array(CONTENT.length), /another file: its SHA-256/],
  ["a larger file", new Uint8Array(CONTENT.length + 1), /60001 bytes, not 60000/],
];
for (const [what, bytes, message] of LIES) {
  Deno.test(`${what} is discarded, and the next download starts over`, async () => {
    await withHub([() => ({ bytes }), whole], async (bench) => {
      await assert.rejects(downloadFromHub(MODEL, bench.options), message);
      await assert.rejects(Deno.stat(bench.options.path), Deno.errors.NotFound);
      await downloadFromHub(MODEL, bench.options);
      await assertComplete(bench);
    });
  });
}

Deno.test("a refusal is reported at once", async () => {
  await withHub([() => ({ status: 404 })], async (bench) => {
    await assert.rejects(downloadFromHub(MODEL, bench.options), /status 404/);
    assert.equal(bench.asked.length, 1);
  });
});

Deno.test("a connection that keeps breaking without a byte fails the download", async () => {
  await withHub([breakingAfter(CUT_AT), breakingAfter(0)], async (bench) => {
    await assert.rejects(downloadFromHub(MODEL, bench.options), ModelError);
    assert.equal(bench.asked.length, 1 + 4);
    assert.equal((await Deno.stat(`${bench.options.path}.part`)).size, CUT_AT, "what came is kept");
  });
});

Deno.test("an unreachable hub fails at the first attempt and says so", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await withHub([whole], async ({ options }) => {
    const gone = {
      ...options,
      hubUrl: `http://127.0.0.1:${port}`,
      backoff: { baseMs: 60_000, capMs: 60_000 },
    };
    await assert.rejects(downloadFromHub(MODEL, gone), /it cannot be reached: .*refused/i);
  });
});

Deno.test("a hub that does not respond fails after a time limit", async () => {
  await withHub([() => ({ ending: "none" })], async ({ options, asked }) => {
    const impatient = { ...options, connectTimeoutMs: 20 };
    await assert.rejects(downloadFromHub(MODEL, impatient), /did not answer within 0.02/);
    assert.equal(asked.length, 1);
  });
});

Deno.test("a hub that stops sending is asked again for the rest", async () => {
  await withHub([() => ({ bytes: CONTENT.subarray(0, CUT_AT), ending: "stall" }), resumed], async (bench) => {
    await downloadFromHub(MODEL, { ...bench.options, stallTimeoutMs: 200 });
    await assertComplete(bench);
    assert.equal(bench.asked[1]?.range, `bytes=${CUT_AT}-`);
  });
});

Deno.test("a cancelled download rejects with the reason", async () => {
  await withHub([whole], async ({ options }) => {
    const reason = new Error("the service stops");
    await assert.rejects(downloadFromHub(MODEL, { ...options, signal: AbortSignal.abort(reason) }), reason);
  });
});

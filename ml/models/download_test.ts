/** Tests downloads against a local server that cuts, lies, stalls and resumes as real ones do. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DownloadError, downloadFile, type DownloadOptions } from "./download.ts";

const CONTENT = crypto.getRandomValues(new Uint8Array(60_000));
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");
const CUT_AT = 20_000;

type Handler = (request: Request, offset: number) => Response;

interface Bench {
  options: DownloadOptions;
  /** The `Range` header of each request. */
  ranges: (string | null)[];
}

async function withHub(handlers: Handler[], use: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const ranges: (string | null)[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const range = request.headers.get("range");
    const handler = handlers[Math.min(ranges.length, handlers.length - 1)] ?? whole;
    ranges.push(range);
    return handler(request, Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0));
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}/model.gguf`;
    const options = { url, path: join(dir, "model.gguf"), sizeBytes: CONTENT.length, sha256: SHA256 };
    await use({ options, ranges });
  } finally {
    await server.shutdown();
    await Deno.remove(dir, { recursive: true });
  }
}

const whole: Handler = () => new Response(CONTENT);

const ranged: Handler = (_, offset) =>
  new Response(CONTENT.subarray(offset), {
    status: offset > 0 ? 206 : 200,
    headers: offset > 0 ? { "content-range": `bytes ${offset}-${CONTENT.length - 1}/${CONTENT.length}` } : {},
  });

const cut: Handler = () => new Response(CONTENT.subarray(0, CUT_AT));

async function assertComplete({ options }: Bench): Promise<void> {
  assert.deepEqual(await Deno.readFile(options.path), CONTENT);
  await assert.rejects(Deno.stat(`${options.path}.part`), Deno.errors.NotFound);
}

Deno.test("a file arrives whole, and its progress ends at its size", async () => {
  await withHub([whole], async (bench) => {
    const seen: number[] = [];
    const progress = { update: (done: number) => void seen.push(done), finish: () => void seen.push(-1) };
    await downloadFile({ ...bench.options, progress });
    await assertComplete(bench);
    assert.deepEqual(seen.slice(-2), [CONTENT.length, -1]);
  });
});

Deno.test("a cut download is an error that keeps what came, and the next call goes on from there", async () => {
  await withHub([cut, ranged], async (bench) => {
    await assert.rejects(downloadFile(bench.options), /cut after 20000 of 60000 bytes/);
    await assert.rejects(Deno.stat(bench.options.path), Deno.errors.NotFound);
    await downloadFile(bench.options);
    assert.deepEqual(bench.ranges, [null, `bytes=${CUT_AT}-`]);
    await assertComplete(bench);
  });
});

Deno.test("a server that cannot resume sends the whole file, and nothing is doubled", async () => {
  await withHub([cut, whole], async (bench) => {
    await assert.rejects(downloadFile(bench.options), DownloadError);
    await downloadFile(bench.options);
    await assertComplete(bench);
  });
});

Deno.test("a part that was already whole is checked and taken without a request", async () => {
  await withHub([whole], async (bench) => {
    await Deno.writeFile(`${bench.options.path}.part`, CONTENT);
    await downloadFile(bench.options);
    assert.deepEqual(bench.ranges, []);
    await assertComplete(bench);
  });
});

const WRONG: [string, Handler][] = [
  ["other bytes", () => new Response(new Uint8Array(CONTENT.length))],
  ["too many bytes", () => new Response(new Uint8Array(CONTENT.length + 1))],
];
for (const [what, handler] of WRONG) {
  Deno.test(`${what} are thrown away, and the next call starts anew`, async () => {
    await withHub([handler, whole], async (bench) => {
      await assert.rejects(downloadFile(bench.options), /not the expected file/);
      await downloadFile(bench.options);
      await assertComplete(bench);
    });
  });
}

Deno.test("a missing file and a server that is not there are told as such", async () => {
  await withHub([() => new Response("no", { status: 404 })], async ({ options }) => {
    await assert.rejects(downloadFile(options), /status 404/);
    await assert.rejects(downloadFile({ ...options, url: "http://127.0.0.1:9/x" }), DownloadError);
  });
});

Deno.test("a server that stops sending is given up, and one that is called off rejects with the reason", async () => {
  const stalls: Handler = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(CONTENT.subarray(0, CUT_AT)),
      }),
    );
  await withHub([stalls], async ({ options }) => {
    await assert.rejects(downloadFile({ ...options, stallTimeoutMs: 50 }), /nothing came for 0.05 s/);
    const reason = new Error("the person changed their mind");
    await assert.rejects(downloadFile({ ...options, signal: AbortSignal.abort(reason) }), reason);
  });
});

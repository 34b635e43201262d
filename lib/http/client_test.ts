/** Tests the client against a real HTTP server that fails in the ways servers fail. */
import assert from "node:assert/strict";
import { z } from "zod";
import { createClient, RemoteError, UnreachableError } from "./client.ts";
import { ApiError, errorBodyOf } from "../errors.ts";

type Answer = (request: Request) => Response | Promise<Response>;

const ANSWER_SCHEMA = z.object({ ok: z.boolean() });

function failure(code: "queue_full" | "not_found", headers?: HeadersInit): Response {
  const body = errorBodyOf(new ApiError(code, "No"), "r1");
  return Response.json(body, { status: body.statusCode, headers });
}

async function withServer(
  answers: Answer[],
  use: (baseUrl: string, seen: Request[]) => Promise<void>,
): Promise<void> {
  const seen: Request[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    const answer = answers[Math.min(seen.length, answers.length - 1)];
    seen.push(request);
    return answer ? answer(request) : new Response(null, { status: 500 });
  });
  try {
    await use(`http://127.0.0.1:${server.addr.port}`, seen);
  } finally {
    await server.shutdown();
  }
}

const fine: Answer = () => Response.json({ ok: true });

Deno.test("a request carries its token and body, and its answer is typed", async () => {
  const received: unknown[] = [];
  const echo: Answer = async (request) => {
    received.push(request.headers.get("authorization"), await request.json());
    return Response.json({ ok: true, extra: 1 });
  };
  await withServer([echo], async (baseUrl) => {
    const client = createClient({ baseUrl, token: () => "t" });
    const answer = await client.request("POST", "/x", { schema: ANSWER_SCHEMA, body: { a: 1 } });
    assert.deepEqual(answer, { ok: true });
    assert.deepEqual(received, ["Bearer t", { a: 1 }]);
  });
});

Deno.test("a large body is compressed when asked for, and a small one never", async () => {
  const received: [encoding: string | null, body: unknown][] = [];
  const take: Answer = async (request) => {
    const encoding = request.headers.get("content-encoding");
    const packed = request.body ?? assert.fail();
    const plain = encoding === null
      ? await request.bytes()
      : await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).bytes();
    received.push([encoding, JSON.parse(new TextDecoder().decode(plain ?? assert.fail()))]);
    return Response.json({ ok: true });
  };
  await withServer([take], async (baseUrl) => {
    const client = createClient({ baseUrl });
    const [large, small] = [{ text: "é".repeat(5_000) }, { text: "é" }];
    const send = (body: unknown, packs: boolean) =>
      client.request("POST", "/x", { schema: ANSWER_SCHEMA, body, gzip: packs });
    await send(large, true);
    await send(small, true);
    await send(large, false);
    assert.deepEqual(received, [["gzip", large], [null, small], [null, large]]);
  });
});

Deno.test("a repeatable request is retried after a transient failure, and waits as long as the server asks", async () => {
  await withServer([() => failure("queue_full", { "retry-after": "0" }), fine], async (baseUrl, seen) => {
    const client = createClient({ baseUrl });
    assert.deepEqual(await client.request("GET", "/x", { schema: ANSWER_SCHEMA }), { ok: true });
    assert.equal(seen.length, 2);
  });
});

Deno.test("a request that may not be repeated is sent once", async () => {
  await withServer([() => failure("queue_full"), fine], async (baseUrl, seen) => {
    const client = createClient({ baseUrl });
    await assert.rejects(client.request("POST", "/x", { schema: ANSWER_SCHEMA, body: {} }), RemoteError);
    assert.equal(seen.length, 1);
  });
});

Deno.test("a permanent failure is not retried and carries its code", async () => {
  await withServer([() => failure("not_found"), fine], async (baseUrl, seen) => {
    const client = createClient({ baseUrl });
    await assert.rejects(client.request("GET", "/x", { schema: ANSWER_SCHEMA }), (error: unknown) => {
      return error instanceof RemoteError && error.statusCode === 404 && error.body.code === "not_found";
    });
    assert.equal(seen.length, 1);
  });
});

Deno.test("another product's error page and an unknown shape are reported as such", async () => {
  const page: Answer = () => new Response("<html>", { status: 502 });
  const odd: Answer = () => Response.json({ ok: "yes" });
  for (const answer of [page, odd]) {
    await withServer([answer], async (baseUrl) => {
      const client = createClient({ baseUrl, retries: 0 });
      await assert.rejects(client.request("GET", "/x", { schema: ANSWER_SCHEMA }), UnreachableError);
    });
  }
});

Deno.test("a closed port and an answer that never comes are both unreachable", async () => {
  const closed = createClient({ baseUrl: "http://127.0.0.1:9", retries: 0 });
  await assert.rejects(closed.request("GET", "/x", { schema: ANSWER_SCHEMA }), UnreachableError);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const silent: Answer = () => released.then(() => new Response());
  await withServer([silent], async (baseUrl) => {
    const client = createClient({ baseUrl, retries: 0, timeoutMs: 50 });
    await assert.rejects(client.request("GET", "/x", { schema: ANSWER_SCHEMA }), /did not answer in time/);
    release();
  });
});

Deno.test("an abort by the caller is not taken for a failure of the server", async () => {
  const client = createClient({ baseUrl: "http://127.0.0.1:9" });
  const reason = new Error("closed the panel");
  const request = client.request("GET", "/x", { schema: ANSWER_SCHEMA, signal: AbortSignal.abort(reason) });
  await assert.rejects(request, reason);
});

/** A stream of events that the test writes; `fail` breaks it off. */
function eventStream(): { answer: Answer; write: (text: string) => void; end: () => void; fail: () => void } {
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      stream = controller;
    },
  });
  return {
    answer: () => new Response(body, { headers: { "content-type": "text/event-stream" } }),
    write: (text) => stream?.enqueue(new TextEncoder().encode(text)),
    end: () => stream?.close(),
    fail: () => stream?.error(new Error("cut off")),
  };
}

Deno.test("events arrive as they are sent, without comments and those of another shape", async () => {
  const { answer, write, end } = eventStream();
  write(': hello\n\nid: 7\nevent: a\ndata: {"ok":tr');
  await withServer([answer], async (baseUrl, seen) => {
    const events = createClient({ baseUrl }).events("/x", { schema: ANSWER_SCHEMA, lastEventId: "6" });
    const first = events.next();
    write('ue}\n\ndata: {"ok":"maybe"}\n\ndata: nonsense\n\n');
    assert.deepEqual((await first).value, { id: "7", data: { ok: true } });
    assert.equal(seen[0]?.headers.get("last-event-id"), "6");
    write('id: 9\r\ndata: {"ok":\r\ndata: false}\r\n\r\n');
    assert.deepEqual((await events.next()).value, { id: "9", data: { ok: false } });
    write('data: {"ok":true}\n');
    end();
    assert.equal((await events.next()).done, true);
  });
});

Deno.test("a stream may be silent for longer than the timeout, which is for its start", async () => {
  const { answer, write, end } = eventStream();
  write(": begun\n\n");
  const never: Answer = ({ signal }) =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response())));
  await withServer([answer, never], async (baseUrl) => {
    const client = createClient({ baseUrl, timeoutMs: 300 });
    const events = client.events("/x", { schema: ANSWER_SCHEMA });
    const first = events.next();
    // Any other request on this client runs out of time meanwhile.
    const slow = client.request("GET", "/y", { schema: ANSWER_SCHEMA, repeatable: false });
    await assert.rejects(slow, UnreachableError);
    write('data: {"ok":true}\n\n');
    end();
    assert.deepEqual((await first).value, { id: null, data: { ok: true } });
  });
});

Deno.test("a stream that is refused, breaks or is left ends with the error that says so", async () => {
  const schema = ANSWER_SCHEMA;
  await withServer([() => failure("not_found")], async (baseUrl) => {
    await assert.rejects(createClient({ baseUrl }).events("/x", { schema }).next(), RemoteError);
  });
  const broken = eventStream();
  await withServer([broken.answer], async (baseUrl) => {
    const events = createClient({ baseUrl }).events("/x", { schema });
    broken.write('data: {"ok":true}\n\n');
    await events.next();
    broken.fail();
    await assert.rejects(events.next(), UnreachableError);
  });
  const left = eventStream();
  await withServer([left.answer], async (baseUrl) => {
    const leaving = new AbortController();
    const events = createClient({ baseUrl }).events("/x", { schema, signal: leaving.signal });
    left.write('data: {"ok":true}\n\n');
    await events.next();
    leaving.abort(new Error("enough"));
    await assert.rejects(events.next(), /enough/);
    left.end();
  });
});

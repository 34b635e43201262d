/** Tests the HTTP server on real sockets: its limits of time and number, bodies and answers as streams, its stop. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { type HttpServer, type HttpServerOptions, serveHttp } from "./http_server.ts";
import type { FetchHandler } from "./node_bridge.ts";
import { trustedProxies } from "./trusted_proxies.ts";

interface Served extends AsyncDisposable {
  server: HttpServer;
  url: string;
}

async function served(handler: FetchHandler, options: Partial<HttpServerOptions> = {}): Promise<Served> {
  const server = await serveHttp(handler, { hostname: "127.0.0.1", port: 0, ...options });
  return {
    server,
    url: `http://127.0.0.1:${server.port}`,
    async [Symbol.asyncDispose]() {
      const stopped = server.shutdown();
      server.destroy();
      await stopped;
    },
  };
}

/** A connection that sends these bytes and nothing more. */
interface RawClient {
  socket: Socket;
  /** All that came back, once the connection is closed. */
  closed: Promise<string>;
}

async function rawClient(port: number, bytes = ""): Promise<RawClient> {
  const closed = Promise.withResolvers<string>();
  let received = "";
  const socket = connect(port, "127.0.0.1");
  socket.on("data", (chunk) => received += chunk.toString());
  socket.on("error", () => {});
  socket.on("close", () => closed.resolve(received));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  if (bytes !== "") socket.write(bytes);
  return { socket, closed: closed.promise };
}

const echo: FetchHandler = async (request) => new Response(await request.text());
const QUICK = { headMs: 300, stallMs: 300, keepAliveMs: 300, checkMs: 50 };

const UNFINISHED: [string, string, RegExp][] = [
  ["a connection on which nothing comes", "", /^$/],
  ["half a head", "GET / HTTP/1.1\r\nHost: localhost\r\n", /^(HTTP\/1.1 408 .*)?/],
  ["half a body", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf", /^HTTP\/1.1 408 /],
  ["a connection kept open after its answer", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", /^HTTP\/1.1 200 /],
];

for (const [what, bytes, answer] of UNFINISHED) {
  Deno.test(`${what} is closed in the end`, async () => {
    const handler: FetchHandler = async (request, info) => {
      try {
        return await echo(request, info);
      } catch (error) {
        const { statusCode } = error as { statusCode: number };
        return Response.json({}, { status: statusCode });
      }
    };
    await using http = await served(handler, { times: QUICK });
    const client = await rawClient(http.server.port, bytes);
    assert.match(await client.closed, answer);
    // The client may have closed it first.
    while (http.server.connectionCount > 0) await setImmediate();
  });
}

Deno.test("a body that keeps coming is read to its end, however long it takes", async () => {
  let arrived = Promise.withResolvers<void>();
  const count: FetchHandler = async (request) => {
    let bytes = 0;
    for await (const chunk of request.body ?? []) {
      bytes += chunk.length;
      arrived.resolve();
    }
    return Response.json({ bytes });
  };
  await using http = await served(count, { times: QUICK });
  const head =
    "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  const client = await rawClient(http.server.port, head);
  let sent = 0;
  for (const startedAt = performance.now(); performance.now() - startedAt < 3 * QUICK.stallMs; sent++) {
    arrived = Promise.withResolvers();
    client.socket.write("1\r\nx\r\n");
    await arrived.promise;
  }
  client.socket.write("0\r\n\r\n");
  assert.match(await client.closed, new RegExp(`{"bytes":${sent}}`));
});

Deno.test("an address may hold only so many connections, and all together only so many", async () => {
  await using http = await served(echo, { connections: { total: 6, perAddress: 3 } });
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(http.server.port)));
  await Promise.all(clients.slice(3).map((client) => client.closed));
  assert.equal(http.server.connectionCount, 3);
  for (const { socket } of clients) socket.destroy();
  await Promise.all(clients.map((client) => client.closed));
});

Deno.test("when all connections are taken an idle one makes room, and one that is answered does not", async () => {
  const release = Promise.withResolvers<void>();
  const handler: FetchHandler = async (request) => {
    if (new URL(request.url).pathname === "/slow") await release.promise;
    return new Response("done");
  };
  const proxies = trustedProxies("127.0.0.1");
  await using http = await served(handler, { connections: { total: 3 }, trustedProxies: proxies });
  const slow = fetch(`${http.url}/slow`).then((response) => response.text());
  const idle = [await rawClient(http.server.port), await rawClient(http.server.port)];
  assert.equal(await (await fetch(http.url)).text(), "done");
  await idle[0]?.closed;
  release.resolve();
  assert.equal(await slow, "done");
  for (const { socket } of idle) socket.destroy();
});

Deno.test("a body of several megabytes arrives complete, with and without a length, and so does its answer", async () => {
  await using http = await served(async (request) => new Response(await request.bytes()));
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const body = new Uint8Array(5_000_000).map((_, i) => bytes[i % bytes.length] ?? 0);
  const streamed = new Blob([body]).stream();
  for (const sent of [body, streamed]) {
    const answer = await (await fetch(http.url, { method: "POST", body: sent })).bytes();
    assert.equal(answer.length, body.length);
    assert.ok(answer.every((byte, i) => byte === body[i]));
  }
});

for (const body of ["", "x".repeat(100_000)]) {
  Deno.test(`a client that leaves aborts the request's signal, with a body of ${body.length} bytes`, async () => {
    const left = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    await using http = await served(async (request) => {
      await request.text();
      request.signal.addEventListener("abort", () => left.resolve());
      entered.resolve();
      await left.promise;
      return new Response("late");
    });
    const leaving = new AbortController();
    const answer = fetch(http.url, { method: "POST", body, signal: leaving.signal });
    await entered.promise;
    leaving.abort();
    await assert.rejects(answer);
    await left.promise;
  });
}

Deno.test("a request whose client left before its signal was asked for says so", async () => {
  const seen = Promise.withResolvers<boolean>();
  const arrived = Promise.withResolvers<void>();
  await using http = await served(async (request, { completed }) => {
    arrived.resolve();
    await completed;
    seen.resolve(request.signal.aborted);
    return new Response();
  });
  const leaving = new AbortController();
  const answer = fetch(http.url, { signal: leaving.signal });
  await arrived.promise;
  leaving.abort();
  await assert.rejects(answer);
  assert.equal(await seen.promise, true);
});

Deno.test("an answer keeps each of its cookies, beside all other headers", async () => {
  await using http = await served(() => {
    const headers = new Headers({ "content-type": "application/json", "x-one": "1" });
    for (const cookie of ["a=1; Path=/", "b=2; Path=/"]) headers.append("set-cookie", cookie);
    return new Response("{}", { headers });
  });
  const response = await fetch(http.url);
  assert.deepEqual(response.headers.getSetCookie(), ["a=1; Path=/", "b=2; Path=/"]);
  assert.equal(response.headers.get("x-one"), "1");
  assert.deepEqual(await response.json(), {});
});

Deno.test("a stream is sent piece by piece, and cancelled when its reader leaves", async () => {
  const cancelled = Promise.withResolvers<void>();
  await using http = await served(() => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
      cancel: () => cancelled.resolve(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const response = await fetch(http.url);
  const reader = response.body?.getReader();
  assert.equal(new TextDecoder().decode((await reader?.read())?.value), "data: 1\n\n");
  await reader?.cancel();
  await cancelled.promise;
});

Deno.test("a request that is refused before its body was read gets its answer, and its connection ends", async () => {
  await using http = await served(() => Response.json({}, { status: 413 }));
  const client = await rawClient(
    http.server.port,
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\nthe beginning",
  );
  assert.match(await client.closed, /^HTTP\/1.1 413 [^]*connection: close/i);
});

Deno.test("a client that still sends a body that was refused reads the whole answer", async () => {
  const answer = { message: "no".repeat(50_000) };
  await using http = await served(() => Response.json(answer, { status: 413 }));
  const body = new Uint8Array(4_000_000);
  for (let attempt = 0; attempt < 20; attempt++) {
    const response = await fetch(http.url, { method: "POST", body });
    assert.deepEqual([response.status, await response.json()], [413, answer]);
  }
});

Deno.test("a handler that fails after its answer began ends the connection, and the server goes on", async () => {
  await using http = await served((request) => {
    if (new URL(request.url).pathname === "/fine") return new Response("fine");
    return new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) }));
  });
  await assert.rejects(fetch(http.url).then((response) => response.text()));
  assert.equal(await (await fetch(`${http.url}/fine`)).text(), "fine");
});

const ODD_REQUESTS: [string, string, RegExp][] = [
  [
    "TRACE",
    "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    /^HTTP\/1.1 405 [^]*allow: GET[^]*"method_not_allowed"/i,
  ],
  ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", /^HTTP\/1.1 400 /],
  ["an unknown word as method", "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", /^HTTP\/1.1 40[05] /],
  ["bytes that are no HTTP", "\x16\x03\x01\x02\r\n\r\n", /^HTTP\/1.1 400 /],
  ["a head of 100 kB", `GET / HTTP/1.1\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, /^(HTTP\/1.1 4\d\d .*)?/],
];

for (const [what, bytes, answer] of ODD_REQUESTS) {
  Deno.test(`${what} is refused, and the server goes on`, async () => {
    await using http = await served(echo);
    const client = await rawClient(http.server.port, bytes);
    assert.match(await client.closed, answer);
    assert.equal((await fetch(http.url)).status, 200);
  });
}

Deno.test("a request that names the whole URL is answered by its path", async () => {
  await using http = await served((request) => Response.json(new URL(request.url).pathname));
  const client = await rawClient(
    http.server.port,
    "GET http://localhost/there HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  assert.match(await client.closed, /"\/there"/);
});

Deno.test("stopping answers what is in flight, tells its handler, and closes idle connections", async () => {
  const entered = Promise.withResolvers<void>();
  await using http = await served(async (_, info) => {
    entered.resolve();
    await new Promise((resolve) => info.stopping.addEventListener("abort", resolve));
    return Response.json("done");
  });
  const idle = await rawClient(http.server.port);
  const answer = fetch(http.url).then((response) => response.json());
  await entered.promise;
  await http.server.shutdown();
  assert.equal(await answer, "done");
  await idle.closed;
  await assert.rejects(fetch(http.url));
});

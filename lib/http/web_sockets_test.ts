/** Tests WebSockets of the HTTP server: which requests become one, how others are answered, and clients that vanish. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
// @ts-types="@types/ws"
import { WebSocket } from "ws";
import { type HttpServer, type HttpServerOptions, serveHttp } from "./http_server.ts";
import type { FetchHandler } from "./node_bridge.ts";

const PROTOCOL = "echo.v1";
const HANDSHAKE = [
  "GET / HTTP/1.1",
  "Host: localhost",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  `Sec-WebSocket-Protocol: ${PROTOCOL}`,
];

interface Served extends AsyncDisposable {
  readonly server: HttpServer;
  /** Sockets whose end was noticed, opened or not. */
  readonly ended: { count: number; next: Promise<void> };
}

/** Greets at `/`, and refuses at every other path. */
async function served(options: Partial<HttpServerOptions> = {}): Promise<Served> {
  const first = Promise.withResolvers<void>();
  const ended = { count: 0, next: first.promise };
  const handler: FetchHandler = async (request, { acceptWebSocket }) => {
    if (new URL(request.url).pathname !== "/") return new Response("no", { status: 403 });
    if (acceptWebSocket === undefined) return new Response(`plain ${await request.text()}`);
    return acceptWebSocket({
      protocol: PROTOCOL,
      open: (socket) => void socket.send("hello"),
      ended: () => {
        ended.count++;
        first.resolve();
      },
    });
  };
  const server = await serveHttp(handler, { hostname: "127.0.0.1", port: 0, ...options });
  return {
    server,
    ended,
    async [Symbol.asyncDispose]() {
      const stopped = server.shutdown();
      server.destroy();
      await stopped;
    },
  };
}

/** Sends a request as it is and returns all that came back once the server has closed the connection. */
async function answerTo(port: number, lines: readonly string[], body = ""): Promise<string> {
  const socket: Socket = connect(port, "127.0.0.1");
  const closed = Promise.withResolvers<string>();
  let received = "";
  socket.on("data", (chunk) => received += chunk.toString());
  socket.on("error", () => {});
  socket.on("close", () => closed.resolve(received));
  socket.write(`${lines.join("\r\n")}\r\n\r\n${body}`);
  return await closed.promise;
}

Deno.test("a handshake that the handler accepts becomes a socket, and its end is noticed", async () => {
  await using web = await served();
  const client = new WebSocket(`ws://127.0.0.1:${web.server.port}/`, PROTOCOL);
  const message = await new Promise((resolve) => client.on("message", (data) => resolve(String(data))));
  assert.deepEqual([message, client.protocol, web.server.connectionCount], ["hello", PROTOCOL, 1]);
  client.terminate();
  await web.ended.next;
  assert.equal(web.ended.count, 1);
});

Deno.test("a handshake that the handler refuses gets its answer, and the connection is closed", async () => {
  await using web = await served();
  const answer = await answerTo(web.server.port, ["GET /other HTTP/1.1", ...HANDSHAKE.slice(1)]);
  assert.match(answer, /^HTTP\/1\.1 403 [\s\S]*no/);
  assert.equal(web.ended.count, 0);
});

const ORDINARY: [string, string[], string][] = [
  ["asks for another protocol", [
    "POST / HTTP/1.1",
    "Host: localhost",
    "Connection: Upgrade, close",
    "Upgrade: h2c",
    "Content-Length: 4",
  ], "body"],
  ["is no GET", ["POST / HTTP/1.1", ...HANDSHAKE.slice(1), "Connection: close", "Content-Length: 4"], "body"],
  ["has another version", [
    ...HANDSHAKE.map((line) => line.replace("Version: 13", "Version: 8")),
    "Connection: close",
  ], ""],
  [
    "has a key that is none",
    [...HANDSHAKE.map((line) => line.replace("ZQ==", "ZQ=")), "Connection: close"],
    "",
  ],
];

for (const [what, lines, body] of ORDINARY) {
  Deno.test(`a request for an upgrade that ${what} is answered as any other, with its body`, async () => {
    await using web = await served({ times: { keepAliveMs: 300, checkMs: 50 } });
    const answer = await answerTo(web.server.port, lines, body);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*plain ${body}`));
  });
}

Deno.test("a client that answers no ping is cut off, and one that does is not", async () => {
  await using web = await served({ times: { pingMs: 50 } });
  const pinged = Promise.withResolvers<void>();
  const client = new WebSocket(`ws://127.0.0.1:${web.server.port}/`, PROTOCOL);
  let pings = 0;
  client.on("ping", () => ++pings === 4 && pinged.resolve());
  const answer = await answerTo(web.server.port, HANDSHAKE);
  assert.match(answer, /^HTTP\/1\.1 101 [\s\S]*hello/);
  await pinged.promise;
  assert.equal(client.readyState, WebSocket.OPEN);
  client.terminate();
});

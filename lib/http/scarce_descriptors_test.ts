/** Tests that a server without a free descriptor neither ends nor stops accepting. */
import { connect, type Socket } from "node:net";
import { textLinesOf } from "../async.ts";

interface ScarceServer extends AsyncDisposable {
  port: number;
  /** `h` takes every descriptor that is left, `f` frees them. */
  tell(word: "h" | "f"): Promise<void>;
}

async function startScarceServer(): Promise<ScarceServer> {
  const script = new URL("../../tests/support/server/scarce_http_server.ts", import.meta.url).pathname;
  const process = new Deno.Command("/bin/sh", {
    args: ["-c", 'ulimit -n 90; exec "$0" run -A "$1"', Deno.execPath(), script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = textLinesOf(process.stdout);
  const port = Number((await lines.next()).value);
  const stdin = process.stdin.getWriter();
  return {
    port,
    tell: (word) => stdin.write(new TextEncoder().encode(word)),
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await lines.return(undefined);
      await stdin.abort().catch(() => {});
    },
  };
}

async function ask(port: number): Promise<string | null> {
  const signal = AbortSignal.timeout(1_000);
  return await fetch(`http://127.0.0.1:${port}`, { signal }).then((response) => response.text(), () => null);
}

async function untilAnswered(port: number): Promise<void> {
  const signal = AbortSignal.timeout(30_000);
  while (await ask(port) !== "alive") signal.throwIfAborted();
}

Deno.test("more connections than there are descriptors neither end a server nor silence it", async () => {
  await using server = await startScarceServer();
  const sockets: Socket[] = [];
  for (let i = 0; i < 200; i++) {
    sockets.push(connect(server.port, "127.0.0.1").on("error", () => {}));
  }
  await untilAnswered(server.port);
  for (const socket of sockets) socket.destroy();
  await untilAnswered(server.port);
});

Deno.test("a server accepts again after a time in which it had no descriptor left", async () => {
  await using server = await startScarceServer();
  await server.tell("h");
  while (await ask(server.port) !== null);
  await server.tell("f");
  await untilAnswered(server.port);
});

/** An HTTP server in a process of few descriptors, which takes all that are left at the word `h`. */
import { serveHttp } from "../../../lib/http/http_server.ts";
import { shutdownSignal } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";

// As the services do: Deno itself fails when the first one listens while no descriptor is left.
shutdownSignal();

const held: Deno.FsFile[] = [];

function holdAll(): void {
  try {
    for (;;) held.push(Deno.openSync("/dev/null"));
  } catch {
    // None is left.
  }
}

const server = await serveHttp(() => new Response("alive"), {
  hostname: "127.0.0.1",
  port: 0,
  times: { acceptCheckMs: 500 },
});
writeLine(String(server.port));
const input = new Uint8Array(1);
while (await Deno.stdin.read(input) !== null) {
  if (input[0] === "h".charCodeAt(0)) holdAll();
  else for (const file of held.splice(0)) file.close();
}

/** Starts the server and serves until a signal ends it, or runs one command of its CLI. */
import { serveUntil } from "../lib/http/serve.ts";
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { createServerApp } from "./app.ts";
import { runCommand } from "./cli.ts";
import { readServerConfig, type ServerConfig } from "./config.ts";
import { createContext } from "./context.ts";

/** Serves until the signal, and then gives false; true: a backup was restored, and a new context takes it up. */
async function serve(config: ServerConfig, signal: AbortSignal): Promise<boolean> {
  const restored = new AbortController();
  await using context = await createContext(config, { onRestored: () => restored.abort() });
  await context.start();
  const { log, lost } = context;
  const setupCode = await context.setupCode();
  if (setupCode !== null) {
    writeLine(`Nobody owns this server yet. Its first device needs this setup code: ${setupCode}`);
  }
  const served = serveUntil(createServerApp(context).fetch, {
    hostname: config.host,
    port: config.port,
    trustedProxies: config.trustedProxies,
    signal: AbortSignal.any([signal, restored.signal]),
    onReady: (url) => log.info(`The server is ready at ${url}`, { url }),
  });
  await Promise.race([
    served,
    lost.then((sentence) => {
      throw new UserError(sentence);
    }),
  ]);
  return restored.signal.aborted && !signal.aborted;
}

await runMain(async (signal) => {
  if (Deno.args.length > 0) return await runCommand(Deno.args);
  const config = readServerConfig();
  while (await serve(config, signal));
});

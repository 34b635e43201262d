/** The ml service, which serves at once and loads its model meanwhile, and its commands. */
import { serveUntil } from "../lib/http/serve.ts";
import { runMain } from "../lib/lifecycle.ts";
import { createMlApp } from "./app.ts";
import { readMlConfig } from "./config.ts";
import { createContext } from "./context.ts";

async function serve(signal: AbortSignal): Promise<void> {
  const config = readMlConfig();
  await using context = await createContext(config, { signal });
  const { models, log } = context;
  await serveUntil(createMlApp(context).fetch, {
    hostname: config.host,
    port: config.port,
    trustedProxies: config.trustedProxies,
    signal,
    onReady: (url) => {
      log.info(`The ml service is ready at ${url}`, { url });
      models.start();
    },
  });
}

/** Serves until a signal, or runs the command that the arguments name; then ends the process. */
export async function runMl(): Promise<never> {
  return await runMain(async (signal) => {
    if (Deno.args.length === 0) return await serve(signal);
    const { runCommand } = await import("./cli/commands.ts");
    await runCommand(Deno.args);
  });
}

/** Starts the ml service, which serves at once and loads its model meanwhile, or runs one of its commands. */
import { serveUntil } from "../lib/http/serve.ts";
import { runMain } from "../lib/lifecycle.ts";
import { createMlApp } from "./app.ts";
import { readMlConfig } from "./config.ts";
import { createContext } from "./context.ts";

await runMain(async (signal) => {
  if (Deno.args.length > 0) {
    const { runCommand } = await import("./cli/commands.ts");
    return await runCommand(Deno.args);
  }
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
});

/** Owns the start of the ml service: serving at once, loading the model meanwhile; or one command of its CLI. */
import { runMain, serveUntil } from "../lib/lifecycle.ts";
import { runCommand } from "./cli/run_command.ts";
import { readMlConfig } from "./config.ts";
import { openContext } from "./context.ts";

await runMain(async (signal) => {
  const config = readMlConfig();
  if (Deno.args.length > 0) return await runCommand(Deno.args, config);
  await using context = await openContext(config, { signal });
  const { app, models, log } = context;
  await serveUntil(app.fetch, {
    hostname: config.host,
    port: config.port,
    signal,
    onReady: (url) => {
      log.info(`The ml service is ready at ${url}`, { url });
      models.start();
    },
  });
});

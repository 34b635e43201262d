/** Owns the start of the server: serving until a signal ends it, or one command of its CLI. */
import { runMain, serveUntil } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { runCommand } from "./cli.ts";
import { readServerConfig } from "./config.ts";
import { openContext } from "./context.ts";

await runMain(async (signal) => {
  const config = readServerConfig();
  if (Deno.args.length > 0) return await runCommand(Deno.args, config);
  await using context = await openContext(config);
  const { app, log, lost } = context;
  const served = serveUntil(app.fetch, {
    hostname: config.host,
    port: config.port,
    signal,
    onReady: (url) => log.info(`The server is ready at ${url}`, { url }),
  });
  await Promise.race([
    served,
    lost.then((sentence) => {
      throw new UserError(sentence);
    }),
  ]);
});

/** Runs ml and server together for real use and shows a new owner the next steps. */
import { aborted } from "../lib/async.ts";
import { localUrl } from "../lib/http/healthcheck.ts";
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { defaultDataDir } from "../lib/config.ts";
import { ServiceProcess } from "./service_process.ts";

const HINTS = `
Your page is at {server}  (the API: {server}/docs)
What comes next, on the Mac whose Messages you want drafts for:
  1. Give your terminal Full Disk Access: System Settings > Privacy & Security > Full Disk Access.
  2. deno task agent pair          claims this server for you
  3. deno task agent sync --once   sends messages and contacts
Your data stays in {data}. Ctrl-C ends both services.
`;

/** The address this machine reaches a service at. */
function urlOf(hostVariable: string, portVariable: string, defaultPort: number): string {
  const host = Deno.env.get(hostVariable) || "127.0.0.1";
  return localUrl({ host, port: Deno.env.get(portVariable) || defaultPort });
}

function hintsFor(serverUrl: string): string {
  const dataDir = Deno.env.get("DATA_DIR") || defaultDataDir();
  return HINTS.replaceAll("{server}", serverUrl).replace("{data}", dataDir);
}

await runMain(async (signal) => {
  const mlUrl = urlOf("ML_HOST", "ML_PORT", 8100);
  const serverUrl = urlOf("SERVER_HOST", "SERVER_PORT", 3100);
  await using ml = await ServiceProcess.start({ name: "ml", env: {}, output: "inherit", url: mlUrl });
  await using server = await ServiceProcess.start({
    name: "server",
    env: { ML_URL: Deno.env.get("ML_URL") || mlUrl },
    output: "inherit",
    url: serverUrl,
  });
  writeLine(hintsFor(serverUrl));
  const ended = await Promise.race([
    aborted(signal).then(() => null),
    ml.ended.then(() => "ml"),
    server.ended.then(() => "server"),
  ]);
  if (ended !== null) throw new UserError(`The ${ended} service ended; its lines above say why`);
});

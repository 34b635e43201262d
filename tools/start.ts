/** Runs ml and server together for real use and shows a new owner the next steps. */
import { aborted } from "../lib/async.ts";
import { localUrl } from "../lib/http/healthcheck.ts";
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { defaultDataDir, isLoopback } from "../lib/config.ts";
import { ServiceProcess } from "./service_process.ts";

const HINTS = `
Your page is at {server}  (the API: {server}/docs)
What comes next, on the Mac whose Messages you want drafts for:
  1. Give your terminal Full Disk Access: System Settings > Privacy & Security > Full Disk Access.
  2. {agent} pair          claims this server for you
  3. {command} sync --once   sends messages and contacts
{elsewhere}{model}Your data stays in {data}. Ctrl-C ends both services.
`;

/** The address this machine reaches a service at. */
function urlOf(hostVariable: string, portVariable: string, defaultPort: number): string {
  const host = Deno.env.get(hostVariable) || "127.0.0.1";
  return localUrl({ host, port: Deno.env.get(portVariable) || defaultPort });
}

/** Works in a checkout with Deno and without it; Windows knows no such script. */
const AGENT = Deno.build.os === "windows" ? "deno task agent" : "./assistant agent";

/** What the Mac needs when it is another machine than this one. */
function elsewhereHints(): { agent: string; elsewhere: string } {
  const host = Deno.env.get("SERVER_HOST") || "127.0.0.1";
  if (isLoopback(host)) {
    const elsewhere =
      "If that Mac is another machine, start this with SERVER_HOST=0.0.0.0 so that it can reach the server.\n";
    return { agent: AGENT, elsewhere };
  }
  const name = host === "0.0.0.0" || host === "::" ? Deno.hostname() : host;
  const port = Deno.env.get("SERVER_PORT") || SERVER_PORT;
  return { agent: `AGENT_SERVER_URL=http://${name}:${port} ${AGENT}`, elsewhere: "" };
}

async function hintsFor({ serverUrl, mlUrl }: { serverUrl: string; mlUrl: string }): Promise<string> {
  const dataDir = Deno.env.get("DATA_DIR") || defaultDataDir();
  const { agent, elsewhere } = elsewhereHints();
  const health = await fetch(`${mlUrl}/health`).then((answer) => answer.json()).catch(() => ({}));
  const model = health.model_loaded === true
    ? ""
    : 'The model is not loaded yet: there are drafts once a line above says "The model is …".\n';
  return HINTS.replaceAll("{server}", serverUrl).replace("{data}", dataDir).replace("{agent}", agent)
    .replace("{command}", AGENT)
    .replace("{elsewhere}", elsewhere).replace("{model}", model);
}

/** Whoever has the port would answer in the place of the service that is started. @throws UserError when it is taken */
function requireFreePort(variable: string, url: string): void {
  const { port } = new URL(url);
  try {
    Deno.listen({ hostname: "127.0.0.1", port: Number(port) }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(`Port ${port} is taken, perhaps because this runs already`, {
      fix: `Stop what uses it, or set ${variable} to another port`,
    });
  }
}

/** What opens an address in the browser of whoever sits before this machine; null where nobody does. */
function browserCommand(url: string): [string, string] | null {
  const isSet = (name: string) => (Deno.env.get(name) ?? "") !== "";
  if (["CI", "SSH_CONNECTION", "SSH_TTY"].some(isSet)) return null;
  if (Deno.build.os === "darwin") return ["open", url];
  return ["DISPLAY", "WAYLAND_DISPLAY"].some(isSet) ? ["xdg-open", url] : null;
}

/** Opens the page where there is a desktop. Its address is on the terminal anyway. */
function openPage(url: string): void {
  const command = browserCommand(url);
  if (command === null) return;
  const [program, ...args] = command;
  try {
    new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn().unref();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

const ML_PORT = 8100;
const SERVER_PORT = 3100;

await runMain(async (signal) => {
  const mlUrl = urlOf("ML_HOST", "ML_PORT", ML_PORT);
  const serverUrl = urlOf("SERVER_HOST", "SERVER_PORT", SERVER_PORT);
  requireFreePort("ML_PORT", mlUrl);
  requireFreePort("SERVER_PORT", serverUrl);
  await using ml = await ServiceProcess.start({ name: "ml", env: {}, output: "inherit", url: mlUrl });
  await using server = await ServiceProcess.start({
    name: "server",
    env: { ML_URL: Deno.env.get("ML_URL") || mlUrl },
    output: "inherit",
    url: serverUrl,
  });
  writeLine(await hintsFor({ serverUrl, mlUrl }));
  openPage(serverUrl);
  const ended = await Promise.race([
    aborted(signal).then(() => null),
    ml.ended.then(() => "ml"),
    server.ended.then(() => "server"),
  ]);
  if (ended !== null) throw new UserError(`The ${ended} service ended; its lines above say why`);
});

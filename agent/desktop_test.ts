// Tests of the menubar app as a process, with the permissions that it is built with, on a desktop that is played.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { VERSION } from "../lib/version.ts";
import { AgentHome } from "../tests/support/mac/agent_home.ts";
import { PROJECT_ROOT, taskArguments } from "../tools/service_process.ts";

const PRELOAD = fileURLToPath(new URL("../tests/support/mac/desktop_preload.ts", import.meta.url));

/** Starts the app as the desktop runtime does, which chooses the address of its server. */
function startApp(home: AgentHome, ...args: string[]): Deno.ChildProcess {
  const permissions = taskArguments("agent").slice(0, -1);
  return new Deno.Command(Deno.execPath(), {
    args: [...permissions, "--no-prompt", "--quiet", "--preload", PRELOAD, "agent/desktop.ts", ...args],
    cwd: PROJECT_ROOT,
    env: { ...home.env, HOME: home.dir, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:0", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<Record<string, unknown>> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream()).values({ preventCancel: true })) {
    text += part;
    if (text.includes("\n")) return JSON.parse(text.split("\n")[0] ?? "");
  }
  return assert.fail(`The app ended and had written ${text}`);
}

async function choose(panelUrl: string, button: string): Promise<Response> {
  const { origin, searchParams } = new URL(panelUrl);
  const body = new URLSearchParams({ key: searchParams.get("key") ?? "", do: button });
  return await fetch(`${origin}/do`, { method: "POST", body });
}

async function answerTo(home: AgentHome, command: string): Promise<[code: number, text: string]> {
  const { code, stdout } = await startApp(home, command).output();
  return [code, new TextDecoder().decode(stdout)];
}

Deno.test("the app shows the agent's state in its panel, prevents a second one from starting, and quits on request", async () => {
  await using home = await AgentHome.create();
  const app = startApp(home);
  const { panelUrl, isDockVisible, windows } = await firstLine(app.stdout);
  assert.deepEqual(
    [isDockVisible, windows],
    [false, 1],
    "the runtime's own window is taken before the panel",
  );
  const { origin } = new URL(String(panelUrl));
  assert.equal((await fetch(origin)).status, 200);

  const paired = await (await choose(String(panelUrl), "menu:pair")).text();
  assert.match(paired, /This Mac is paired\./);
  assert.match(paired, /<h1>The agent is not running<\/h1>/);
  assert.equal(home.server.devices.length, 1);
  const examined = await (await choose(String(panelUrl), "menu:doctor")).text();
  assert.match(examined, /There is no Messages database at|The doctor is looking/);

  assert.deepEqual(await answerTo(home, "healthcheck"), [0, "healthy\n"]);
  const second = await startApp(home).output();
  assert.equal(second.code, 1);
  assert.match(new TextDecoder().decode(second.stderr), /^Another agent is already running on /);

  await choose(String(panelUrl), "menu:quit").catch(() => null);
  const { code } = await app.status;
  assert.deepEqual([code, await new Response(app.stderr).text()], [0, ""]);
  assert.equal((await answerTo(home, "healthcheck"))[0], 1);
});

Deno.test("the app's program answers --version, --help and healthcheck, and opens nothing then", async () => {
  await using home = await AgentHome.create();
  assert.deepEqual(await answerTo(home, "--version"), [0, `${VERSION}\n`]);
  const [code, help] = await answerTo(home, "--help");
  assert.equal(code, 0);
  assert.match(help, /healthcheck/);
  const [away, sentence] = await answerTo(home, "healthcheck");
  assert.deepEqual([away, sentence], [1, "not running: `conversation-agent menubar` opens it\n"]);
});

/** Tests of `deno task start` as a newcomer meets it: a port that is taken, and what it says when it runs. */
import assert from "node:assert/strict";
import { textLinesOf } from "../lib/async.ts";
import { delay } from "../lib/backoff.ts";
import { exists } from "../lib/files.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { choosePort, PROJECT_ROOT } from "./service_process.ts";

function start(env: Record<string, string>): Deno.Command {
  const args = ["run", "-A", "--no-check", "tools/start.ts"];
  return new Deno.Command(Deno.execPath(), {
    args,
    cwd: PROJECT_ROOT,
    env: { CI: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  });
}

Deno.test("a port that somebody has is named before anything starts, with what to do", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { code, stdout, stderr } = await start({
    ML_PORT: `${other.addr.port}`,
    SERVER_PORT: `${choosePort()}`,
  }).output();
  assert.equal(code, 1);
  assert.equal(new TextDecoder().decode(stdout), "");
  assert.match(
    new TextDecoder().decode(stderr),
    new RegExp(`^Port ${other.addr.port} is taken, perhaps because this runs already\\..*ML_PORT`),
  );
});

Deno.test("a server for other machines names itself in the step that pairs, and its page opens on a desktop", async () => {
  await inTempDir(async (dir) => {
    const opened = `${dir}/opened`;
    for (const program of ["xdg-open", "open"]) {
      const script = `#!/bin/sh\necho "$1" > ${opened}.new && mv ${opened}.new ${opened}\n`;
      await Deno.writeTextFile(`${dir}/${program}`, script, { mode: 0o755 });
    }
    const port = choosePort();
    const child = start({
      DATA_DIR: dir,
      MODEL: await buildTinyGguf({ path: `${dir}/tiny.gguf` }),
      GPU: "off",
      THREADS: "1",
      ML_PORT: `${choosePort()}`,
      SERVER_HOST: "0.0.0.0",
      SERVER_PORT: `${port}`,
      CI: "",
      SSH_CONNECTION: "",
      SSH_TTY: "",
      DISPLAY: ":0",
      PATH: `${dir}:${Deno.env.get("PATH")}`,
    }).spawn();
    const errors = child.stderr.text();
    let step = "";
    for await (const line of textLinesOf(child.stdout)) {
      if (line.startsWith("  2. ")) step = line;
      if (!line.startsWith("Your data stays")) continue;
      while (!await exists(opened)) await delay(10);
      child.kill("SIGTERM");
    }
    assert.equal((await child.status).code, 0, await errors);
    assert.equal(await Deno.readTextFile(opened), `http://127.0.0.1:${port}\n`);
    assert.match(
      step,
      new RegExp(`^ {2}2\\. AGENT_SERVER_URL=http://${Deno.hostname()}:${port} \\./assistant agent pair`),
    );
  });
});

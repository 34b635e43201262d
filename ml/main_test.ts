/** Tests the service as a process: its start, its refusal to start, and its end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { generateResultSchema, healthResponseSchema } from "../contract/ml.ts";
import { PROJECT_ROOT, taskArguments } from "../tools/service_process.ts";
import { textLinesOf } from "../lib/async.ts";
import { buildTinyGguf } from "../tests/support/ml/tiny_gguf.ts";
import { ended, isAlive } from "../tests/support/ml/tiny_process_engine.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

interface Process {
  child: Deno.ChildProcess;
  /** Resolves with the URL once the model is loaded too. */
  ready: Promise<{ url: string; enginePid: number }>;
}

/** Reads the log to its end, so that the service never waits for a reader. */
function whenReady(child: Deno.ChildProcess): Process["ready"] {
  const { promise, resolve, reject } = Promise.withResolvers<{ url: string; enginePid: number }>();
  (async () => {
    let [readyAt, enginePid] = ["", NaN];
    for await (const line of textLinesOf(child.stdout)) {
      const { message, url, pid } = JSON.parse(line);
      if (/is ready at/.test(message)) readyAt = url;
      if (/process has started$/.test(message)) enginePid = pid;
      if (/^The model is/.test(message)) resolve({ url: readyAt, enginePid });
    }
    reject(new Error("the service ended before its model was loaded"));
  })();
  return promise;
}

function start(env: Record<string, string>): Process {
  const child = new Deno.Command(Deno.execPath(), {
    args: taskArguments("ml"),
    cwd: PROJECT_ROOT,
    env: { ML_HOST: "127.0.0.1", ML_PORT: "0", GPU: "off", THREADS: "1", ML_TOKEN: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return { child, ready: whenReady(child) };
}

Deno.test("the service says where it is, answers, finishes what is in flight at SIGTERM and exits 0", async () => {
  await inTempDir(async (dir) => {
    const model = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const { child, ready } = start({ DATA_DIR: dir, MODEL: model });
    const errors = child.stderr.text();
    const { url, enginePid } = await ready;
    const health = await fetch(`${url}/health`);
    assert.equal(healthResponseSchema.parse(await health.json()).status, "healthy");
    const body = JSON.stringify({ prompt: "Them: hi\nMe:", max_tokens: 400, temperature: 0 });
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const response = await fetch(`${url}/generate`, { method: "POST", body, headers });
    child.kill("SIGTERM");
    const last = (await response.text()).trim().split("\n\n").at(-1)?.split("\ndata: ")[1] ?? "";
    assert.ok(generateResultSchema.parse(JSON.parse(last)).tokens_used > 1, "the reply was finished");
    assert.deepEqual([(await child.status).code, await errors, isAlive(enginePid)], [0, "", false]);
  });
});

Deno.test("the model's process ends with a service that is killed, even while it generates", async () => {
  await inTempDir(async (dir) => {
    const model = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const { child, ready } = start({ DATA_DIR: dir, MODEL: model });
    const { url, enginePid } = await ready;
    assert.ok(isAlive(enginePid));
    const body = JSON.stringify({ prompt: "hi", raw: true, max_tokens: 900, temperature: 0 });
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const response = await fetch(`${url}/generate`, { method: "POST", body, headers });
    child.kill("SIGKILL");
    await response.text().catch(() => {});
    await Promise.all([child.status, child.stderr.cancel()]);
    await ended(enginePid);
  });
});

Deno.test("a terminal's Ctrl-C, which reaches every process, lets the model finish what is in flight", async () => {
  await inTempDir(async (dir) => {
    const model = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const { child, ready } = start({ DATA_DIR: dir, MODEL: model });
    const { url, enginePid } = await ready;
    const body = JSON.stringify({ prompt: "Them: hi\nMe:", max_tokens: 400, temperature: 0 });
    const headers = { "content-type": "application/json", accept: "text/event-stream" };
    const response = await fetch(`${url}/generate`, { method: "POST", body, headers });
    for (const pid of [enginePid, child.pid]) Deno.kill(pid, "SIGINT");
    assert.match(await response.text(), /^event: done$/m);
    assert.deepEqual([(await child.status).code, await child.stderr.text()], [0, ""]);
  });
});

Deno.test("a service that others could reach without a token refuses to start and says why", async () => {
  await inTempDir(async (dir) => {
    const { child, ready } = start({ DATA_DIR: dir, ML_HOST: "0.0.0.0" });
    ready.catch(() => {});
    const errors = await child.stderr.text();
    assert.equal((await child.status).code, 1);
    assert.match(errors, /^ML_TOKEN must be set when ML_HOST opens the service to others/);
    assert.doesNotMatch(errors, / at file:/);
  });
});

Deno.test("a second ml on a data folder is refused with a sentence", async () => {
  await inTempDir(async (dir) => {
    const model = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
    const env = { DATA_DIR: dir, MODEL: model };
    const { child, ready } = start(env);
    await ready;
    const second = start(env);
    second.ready.catch(() => {});
    const [{ code }, error] = await Promise.all([second.child.status, second.child.stderr.text()]);
    assert.equal(code, 1);
    const sentence = `Another process is using ${
      join(dir, "ml.kv")
    }. Stop it first, or give this one a DATA_DIR of its own.`;
    assert.equal(error.trim(), sentence);
    child.kill("SIGTERM");
    await child.stderr.cancel();
    await child.status;
  });
});

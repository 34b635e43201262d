/** Tests of the test command: real runs of Deno's runner over small trees of tests. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const RUN_TESTS = fileURLToPath(new URL("run_tests.ts", import.meta.url));

/** Prepares `run_tests.ts` in a temporary folder that holds the given files. */
async function withTree<T>(files: Record<string, string>, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "run_tests_" });
  try {
    for (const [name, source] of Object.entries(files)) await Deno.writeTextFile(join(folder, name), source);
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function command(folder: string, args: string[] = []): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", RUN_TESTS, ...args],
    cwd: folder,
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs the test command to its end, by default without type checks; `closing` is its last line. */
async function run(
  files: Record<string, string>,
  args: string[] = ["--no-check"],
): Promise<{ code: number; closing: string | undefined; output: string }> {
  return await withTree(files, async (folder) => {
    const { code, stdout } = await command(folder, args).output();
    const output = new TextDecoder().decode(stdout);
    return { code, closing: output.trimEnd().split("\n").at(-1), output };
  });
}

Deno.test("a good run passes on the runner's output and ends with the plain line", async () => {
  const { code, closing, output } = await run({
    "a_test.ts": 'Deno.test("a holds", async (t) => { await t.step("first", () => {}); });',
    "b_test.ts": 'Deno.test("b holds", () => {});',
  });
  assert.match(output, /a holds \.\.\. ok/);
  assert.deepEqual({ code, closing }, { code: 0, closing: "2 passed, 0 failed" });
});

Deno.test("a failed test, also one that fails outside its body, is counted", async () => {
  const { code, closing } = await run({
    "a_test.ts": 'Deno.test("a holds", () => {}); Deno.test("b fails", () => { throw new Error("b"); });',
    "c_test.ts": 'throw new Error("c does not load");',
  });
  assert.deepEqual({ code, closing }, { code: 1, closing: "1 passed, 2 failed" });
});

Deno.test("an ignored test fails the run and is named", async () => {
  const files = { "a_test.ts": 'Deno.test("a holds", () => {}); Deno.test.ignore("b waits", () => {});' };
  const { code, closing } = await run(files);
  assert.deepEqual({ code, closing }, { code: 1, closing: "1 passed, 0 failed, 1 ignored" });
});

Deno.test("a fault of types fails the run before it starts", async () => {
  const { code, closing } = await run(
    { "a_test.ts": 'Deno.test("a holds", () => { 1 satisfies string; });' },
    [],
  );
  assert.deepEqual({ code, closing }, { code: 1, closing: "0 passed, 1 failed" });
});

Deno.test("files and filters are passed on, and a run of no test fails", async () => {
  const files = {
    "a_test.ts": 'Deno.test("a holds", () => {});',
    "b_test.ts": 'Deno.test("b holds", () => {});',
  };
  assert.equal((await run(files, ["--no-check", "b_test.ts"])).closing, "1 passed, 0 failed");
  assert.equal((await run(files, ["--no-check", "--filter=a holds"])).closing, "1 passed, 0 failed");
  const { code, closing } = await run(files, ["--no-check", "--filter=nothing"]);
  assert.deepEqual({ code, closing }, { code: 1, closing: "0 passed, 1 failed" });
});

Deno.test("a test that ends the whole process does not pass for a good run", async () => {
  const { code, closing } = await run({ "a_test.ts": 'Deno.test("a ends all", () => Deno.exit(0));' });
  assert.deepEqual({ code, closing }, { code: 1, closing: "0 passed, 1 failed" });
});

Deno.test("an interrupted run takes with it what its tests have started", async () => {
  // A process that does not end by itself nor at an interrupt, and that shows it is alive by an open port.
  const stubborn = `Deno.addSignalListener("SIGINT", () => {});
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    Deno.writeTextFileSync("port.part", String(listener.addr.port));
    Deno.renameSync("port.part", "port");
    for await (const connection of listener) connection.close();`;
  const test = `Deno.test("a waits", async () => {
    await new Deno.Command(Deno.execPath(), { args: ["run", "-A", "stubborn.js"] }).spawn().status;
  });`;
  await withTree({ "a_test.ts": test, "stubborn.js": stubborn }, async (folder) => {
    const watcher = Deno.watchFs(folder);
    const running = command(folder, ["--no-check"]).spawn();
    const output = Promise.all([running.stdout.text(), running.stderr.text()]);
    const endedEarly = running.status.then(() => assert.fail("the run ended before its test was under way"));
    await Promise.race([created(watcher, join(folder, "port")), endedEarly]);
    const port = Number(await Deno.readTextFile(join(folder, "port")));
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    endedEarly.catch(() => {});
    running.kill("SIGTERM");
    assert.equal((await running.status).code, 1);
    assert.match((await output)[0], /\n0 passed, 1 failed\n$/);
    await refused(port);
  });
});

async function created(watcher: Deno.FsWatcher, path: string): Promise<void> {
  for await (const { paths } of watcher) if (paths.includes(path)) return;
}

/** Waits until nothing listens on a port of this machine. */
async function refused(port: number): Promise<void> {
  try {
    while (true) (await Deno.connect({ hostname: "127.0.0.1", port })).close();
  } catch (error) {
    assert.ok(error instanceof Deno.errors.ConnectionRefused, String(error));
  }
}

/** Tests of running commands and of what they tell about the machine. */
import assert from "node:assert/strict";
import { type CommandRunner, systemCommands } from "./command_runner.ts";
import { deviceFacts } from "./machine.ts";

const deno = Deno.execPath();

Deno.test("a command's input, output and exit code pass through", async () => {
  const script = "const text = await new Response(Deno.stdin.readable).text();" +
    "console.log(text.toUpperCase()); console.error('oh'); Deno.exit(3)";
  const result = await systemCommands().run([deno, "eval", script], { stdin: "hello" });
  assert.deepEqual(result, { code: 3, started: true, stdout: "HELLO\n", stderr: "oh\n" });
});

Deno.test("a command that cannot be started and one that does not end both have a null exit code and can be distinguished", async () => {
  const commands = systemCommands();
  const absent = await commands.run(["/nonexistent/command"]);
  assert.deepEqual([absent.code, absent.started], [null, false]);
  const forever = "setInterval(() => {}, 1000)";
  const hanging = await commands.run([deno, "eval", forever], { timeoutMs: 300 });
  assert.deepEqual([hanging.code, hanging.started], [null, true]);
});

Deno.test("input that a command does not read harms nothing", async () => {
  const result = await systemCommands().run([deno, "--version"], { stdin: "x".repeat(1_000_000) });
  assert.equal(result.code, 0);
});

Deno.test("a Mac tells its product version, not its kernel's, and any system tells some version", async () => {
  const recorded: (readonly string[])[] = [];
  const answering = (code: number | null, stdout: string): CommandRunner => ({
    run(command) {
      recorded.push(command);
      return Promise.resolve({ code, started: true, stdout, stderr: "" });
    },
  });
  assert.deepEqual(await deviceFacts("darwin", answering(0, "26.6.2\n")), {
    platform: "macos",
    osVersion: "26.6.2",
  });
  assert.deepEqual(recorded, [["/usr/bin/sw_vers", "-productVersion"]]);
  assert.deepEqual(await deviceFacts("darwin", answering(null, "")), {
    platform: "macos",
    osVersion: Deno.osRelease(),
  });
  assert.deepEqual(await deviceFacts("linux", answering(0, "")), {
    platform: "linux",
    osVersion: Deno.osRelease(),
  });
  assert.equal((await deviceFacts("freebsd", answering(0, ""))).platform, "other");
});

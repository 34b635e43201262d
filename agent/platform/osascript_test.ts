// Tests of running AppleScript: what osascript gets, and what its answers mean. The child processes are real.
import assert from "node:assert/strict";
import { join } from "node:path";
import { RecordedCommands } from "../../tests/support/mac/recorded_commands.ts";
import { systemCommands } from "./command_runner.ts";
import { createMessagesApp } from "./messages_app.ts";
import { createScriptHost } from "./osascript.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const GUID = "iMessage;-;+15550100001";

/** A program that writes down its arguments, one a line, and its input, and then runs `ending`. */
async function recordingProgram(dir: string, ending: string): Promise<string> {
  const path = join(dir, "osascript");
  await Deno.writeTextFile(
    path,
    `#!/bin/sh\nprintf '%s\\0' "$@" > "${dir}/args"\ncat > "${dir}/stdin"\n${ending}\n`,
    {
      mode: 0o755,
    },
  );
  return path;
}

async function withProgram(
  ending: string,
  use: (dir: string, program: string) => Promise<void>,
): Promise<void> {
  await inTempDir(async (dir) => {
    await use(dir, await recordingProgram(dir, ending));
  });
}

/** Quotes, line breaks, what looks like options and scripts, other scripts' letters and emoji; 100 kB of them. */
const HOSTILE = `-e "quit" & do shell script "rm -rf ~" \\ \r\n\t'$HOME' \u{1f469}\u200d\u{1f467} שלום — `;

Deno.test("a text reaches osascript as an argument, whatever is in it, and never as a part of the script", async () => {
  const text = HOSTILE.repeat(Math.ceil(100_000 / new TextEncoder().encode(HOSTILE).length));
  await withProgram("exit 0", async (dir, program) => {
    const messages = createMessagesApp(createScriptHost(systemCommands(), program));
    assert.deepEqual(await messages.send({ text, chatGuid: GUID }), { kind: "taken" });
    const args = (await Deno.readTextFile(join(dir, "args"))).split("\0");
    assert.deepEqual(args, ["-", text, GUID, ""]);
    const script = await Deno.readTextFile(join(dir, "stdin"));
    assert.match(script, /^on run argv$/m);
    assert.match(script, /send \(item 1 of argv\) to chat id \(item 2 of argv\)/);
    assert.ok(!script.includes(GUID) && !script.includes("quit"));
  });
});

Deno.test("osascript's error numbers say whether a text was refused, in every language, or whether that is unclear", async () => {
  const refusals: [string, unknown][] = [
    ["execution error: Not authorized to send Apple events to Messages. (-1743)", "not_authorized"],
    ["62:70: execution error: „Nachrichten“ hat einen Fehler erhalten: „chat id“ (-1728)", "no_such_chat"],
    ["execution error: Messages got an error: Application isn’t running. (-600)", "not_running"],
    ["execution error: AppleEvent timed out. (-1712)", undefined],
    ["execution error: Something new. (-12345)", undefined],
    ["no number at all", undefined],
  ];
  for (const [stderr, reason] of refusals) {
    const messages = createMessagesApp(createScriptHost(new RecordedCommands(() => ({ code: 1, stderr }))));
    const expected = reason === undefined ? { kind: "unclear" } : { kind: "refused", reason };
    assert.deepEqual(await messages.send({ text: "hi", chatGuid: GUID }), expected, stderr);
  }
});

Deno.test("an osascript that does not end is stopped, and nobody knows what it did; one that does not start did nothing", async () => {
  await withProgram(`exec "${Deno.execPath()}" eval "setInterval(() => {}, 1000)"`, async (_, program) => {
    const scripts = createScriptHost(systemCommands(), program);
    const hanging = createMessagesApp(scripts, { sendTimeoutMs: 300 });
    assert.deepEqual(await hanging.send({ text: "hi", chatGuid: GUID }), { kind: "unclear" });
  });
  const notStarted = { kind: "refused", reason: "not_started" };
  const absent = createMessagesApp(createScriptHost(systemCommands(), "/nonexistent/osascript"));
  assert.deepEqual(await absent.send({ text: "hi", chatGuid: GUID }), notStarted);
  assert.equal(await absent.probeAccess(), "unclear");
  await withProgram("exit 0", async (_, program) => {
    const messages = createMessagesApp(createScriptHost(systemCommands(), program));
    for (const text of ["x".repeat(4_000_000), "a\0b"]) {
      assert.deepEqual(await messages.send({ text, chatGuid: GUID }), notStarted);
    }
  });
});

Deno.test("the probe of the permission sends Messages nothing while it is not running, and tells denied from unclear", async () => {
  const answers = [
    [{ stdout: "allowed\n" }, "allowed"],
    [{ stdout: "not running\n" }, "not_running"],
    [
      { code: 1, stderr: "execution error: Not authorized to send Apple events to Messages. (-1743)\n" },
      "denied",
    ],
    [{ code: 1, stderr: "execution error: AppleEvent timed out. (-1712)\n" }, "unclear"],
    [null, "unclear"],
  ] as const;
  for (const [answer, access] of answers) {
    const commands = new RecordedCommands(() => answer);
    assert.equal(await createMessagesApp(createScriptHost(commands)).probeAccess(), access);
    assert.deepEqual(commands.lines, ["/usr/bin/osascript -"]);
    assert.match(commands.recorded[0]?.stdin ?? "", /^if application "Messages" is not running then return/);
  }
});

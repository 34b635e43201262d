// Tests of what the Mac app is packaged with, as far as a machine without macOS can tell.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parseXmlPlist } from "../../tests/support/mac/xml_plist.ts";
import { buildArguments } from "../compile.ts";
import { sourceFiles } from "../../tools/check_cycles.ts";

const ROOT = new URL("../../", import.meta.url);

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

async function plist(path: string): Promise<Record<string, unknown>> {
  const value = parseXmlPlist(await read(path));
  assert.ok(typeof value === "object" && !Array.isArray(value));
  return value;
}

Deno.test("the bundle hides from the Dock, names itself, and says why it would control Messages", async () => {
  const info = await plist("packaging/macos/info_additions.plist");
  assert.deepEqual([info.LSUIElement, info.CFBundleIdentifier], [true, "app.conversation-assistant"]);
  assert.match(String(info.NSAppleEventsUsageDescription), /Messages/);
  const script = await read("packaging/macos/sign.sh");
  for (const key of Object.keys(info)) assert.ok(script.includes(key), `sign.sh does not replace ${key}`);
});

Deno.test("the hardened runtime allows V8, a foreign window library and Apple events, and nothing else", async () => {
  const entitlements = await plist("packaging/macos/entitlements.plist");
  assert.deepEqual(entitlements, {
    "com.apple.security.cs.allow-jit": true,
    "com.apple.security.cs.allow-unsigned-executable-memory": true,
    "com.apple.security.cs.disable-library-validation": true,
    "com.apple.security.automation.apple-events": true,
  });
});

Deno.test("the app may run every program that the agent starts, and no other", async () => {
  const started = new Set<string>();
  for (const path of await sourceFiles(fileURLToPath(ROOT))) {
    if (!path.startsWith("agent/") || path.endsWith("_test.ts")) continue;
    for (const [, program] of (await read(path)).matchAll(/"(\/(?:usr\/)?bin\/\w+)"/g)) {
      started.add(program ?? "");
    }
  }
  const args = buildArguments({ product: "menubar", target: "aarch64-apple-darwin", output: "", lock: "" });
  const granted = /--allow-run=([\w/,]+)/.exec(args.join(" "))?.[1]?.split(",") ?? [];
  assert.deepEqual(granted.toSorted(), [...started].sort());
});

Deno.test("the app is built by the tasks that there are, with the agent where the service looks for it", async () => {
  const script = await read("packaging/macos/build.sh");
  const built = [...script.matchAll(/^deno task compile (\w+) --target "\$target" --output "([^"]+)"$/gm)];
  assert.deepEqual(built.map(([, product, output]) => [product, output]), [
    ["menubar", "$app"],
    ["agent", "$app/Contents/MacOS/agent"],
  ]);
});

Deno.test("the scripts are sound to the shell that runs them", async () => {
  for (const name of ["build.sh", "make_keychain.sh", "sign.sh"]) {
    const path = new URL(`packaging/macos/${name}`, ROOT);
    const [shell = ""] = /^#!(\S+)/.exec(await Deno.readTextFile(path))?.slice(1) ?? [];
    const { code, stderr } = await new Deno.Command(shell, { args: ["-n", path.pathname] }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.ok(((await Deno.stat(path)).mode ?? 0) & 0o100, `${name} can be run`);
  }
});

/** Tests of how ml starts its own processes: by Deno in a checkout, by itself where it is one program. */
import assert from "node:assert/strict";
import { taskArguments } from "../../tools/service_process.ts";
import { childCommand } from "./child_process.ts";

const part = { part: "engine", argument: "{}" } as const;

Deno.test("a compiled program starts itself and nothing else", () => {
  const command = childCommand(part, { isStandalone: true, execPath: "/usr/local/bin/conversation-ml" });
  assert.deepEqual(command, ["/usr/local/bin/conversation-ml", "child-process", "engine", "{}"]);
});

Deno.test("a checkout runs the entry of its task, with the same words behind it", () => {
  const [program, run, ...rest] = childCommand(part, { isStandalone: false, execPath: "/usr/bin/deno" });
  assert.deepEqual([program, run, rest.slice(-3)], ["/usr/bin/deno", "run", [
    "child-process",
    "engine",
    "{}",
  ]]);
  assert.ok(rest.at(-4)?.endsWith(`/${taskArguments("ml").at(-1)}`));
  assert.ok(!rest.includes("--allow-net"), "neither the model nor training needs the network");
});

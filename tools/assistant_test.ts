/** Tests the script `assistant`, which saves newcomers Deno's own lines. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { PROJECT_ROOT } from "./service_process.ts";

const SCRIPT = join(PROJECT_ROOT, "assistant");

Deno.test("`assistant` runs a task from any folder and through a link, and prints that task's lines alone", async () => {
  await inTempDir(async (dir) => {
    const link = join(dir, "assistant");
    await Deno.symlink(SCRIPT, link);
    const { code, stdout, stderr } = await new Deno.Command(link, { args: ["agent", "--version"], cwd: dir })
      .output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.deepEqual([code, text(stderr)], [0, ""]);
    assert.match(text(stdout), /^\d+\.\d+\.\d+\n$/);
  });
});

Deno.test("`assistant` takes the version of Deno that everything else does", async () => {
  assert.match(await Deno.readTextFile(SCRIPT), new RegExp(`^version=${Deno.version.deno}$`, "m"));
});

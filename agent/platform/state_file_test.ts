/** Tests of state files: what is found, what is missing, and what cannot be read. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { stateFile } from "./state_file.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

function counterFile(path: string) {
  const schema = z.object({ name: z.string(), count: z.int().nonnegative() });
  return stateFile({ path, version: 3, schema });
}

async function withCounterPath(test: (path: string) => Promise<void>): Promise<void> {
  await inTempDir((dir) => test(join(dir, "counter.json")));
}

Deno.test("a saved state is found again, and none is missing", () =>
  withCounterPath(async (path) => {
    const file = counterFile(path);
    assert.deepEqual(await file.load(), { kind: "missing" });
    await file.save({ name: "a", count: 7 });
    assert.deepEqual(await counterFile(path).load(), { kind: "found", state: { name: "a", count: 7 } });
    await file.remove();
    assert.deepEqual(await file.load(), { kind: "missing" });
  }));

Deno.test("content that is no such state is broken, whatever it is, and can be set aside", () =>
  withCounterPath(async (path) => {
    const file = counterFile(path);
    const contents = ["", "null", "[]", "7", '{"version":3,"name":"a"', '{"version":4,"name":"a","count":1}'];
    const fields = ['{"version":3,"name":1,"count":1}', '{"version":3,"name":"a","count":-1}'];
    for (const content of [...contents, ...fields]) {
      await Deno.writeTextFile(path, content);
      assert.deepEqual(await file.load(), { kind: "broken" }, content);
    }
    const aside = await file.setAside();
    assert.equal(await Deno.readTextFile(aside), fields[1]);
    assert.deepEqual(await file.load(), { kind: "missing" });
  }));

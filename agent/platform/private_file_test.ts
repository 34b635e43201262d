/** Tests of private files: modes, whole replacement, and sentences when the disk says no. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { readFileIfPresent, writePrivateFile } from "./private_file.ts";
import { createFileSecretStore } from "./token_store.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const modeOf = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;

Deno.test("a private file and the folder made for it are for their owner alone", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "a", "state");
    await writePrivateFile(path, "new");
    assert.equal(await Deno.readTextFile(path), "new");
    assert.equal(await modeOf(path), 0o600);
    assert.equal(await modeOf(join(dir, "a")), 0o700);
  }));

Deno.test("an existing folder keeps its mode, and a file open to others does not", () =>
  inTempDir(async (dir) => {
    await Deno.chmod(dir, 0o755);
    await Deno.writeTextFile(join(dir, "state"), "old", { mode: 0o644 });
    await writePrivateFile(join(dir, "state"), "new");
    assert.equal(await modeOf(dir), 0o755);
    assert.equal(await modeOf(join(dir, "state")), 0o600);
  }));

Deno.test("a draft that a crash left behind does not stand in the way and does not remain", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "state");
    await writePrivateFile(path, "one");
    await Deno.writeTextFile(`${path}.new`, "half a st", { mode: 0o644 });
    assert.equal(await readFileIfPresent(path), "one");
    await writePrivateFile(path, "two");
    assert.equal(await readFileIfPresent(path), "two");
    assert.deepEqual((await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name), ["state"]);
    assert.equal(await modeOf(path), 0o600);
  }));

Deno.test("a file that is not there reads as null", () =>
  inTempDir(async (dir) => {
    assert.equal(await readFileIfPresent(join(dir, "none")), null);
  }));

Deno.test("a path that cannot be written or read is reported in one sentence", () =>
  inTempDir(async (dir) => {
    await Deno.writeTextFile(join(dir, "file"), "");
    const saysWhat = (error: unknown) =>
      error instanceof UserError && /^Cannot \w+ .*file/.test(error.message);
    await assert.rejects(writePrivateFile(join(dir, "file", "state"), "x"), saysWhat);
    await assert.rejects(readFileIfPresent(join(dir, "file", "state")), saysWhat);
  }));

Deno.test("the secret file keeps one secret, readable by its owner alone", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "data", "token");
    const store = createFileSecretStore(path);
    assert.equal(await store.read(), null);
    await store.write("first");
    await store.write("second");
    assert.equal(await store.read(), "second");
    assert.equal(await modeOf(path), 0o600);
    await store.remove();
    assert.equal(await store.read(), null);
  }));

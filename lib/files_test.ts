/** Tests that a write replaces a file completely or not at all, what a missing file reads as, and that a lock has one holder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "./errors.ts";
import { exists, ifPresent, isLocked, lockFile, writeFileAtomically } from "./files.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

const namesIn = (dir: string) => Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
const modeOf = async (path: string) => ((await Deno.stat(path)).mode ?? 0) & 0o777;

Deno.test("a write replaces text, bytes and what a function writes, and leaves no draft", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    await writeFileAtomically(path, "text");
    assert.equal(await Deno.readTextFile(path), "text");
    await writeFileAtomically(path, new Uint8Array([1, 2]));
    assert.deepEqual(await Deno.readFile(path), new Uint8Array([1, 2]));
    await writeFileAtomically(path, (draftPath) => Deno.writeTextFile(draftPath, "written"));
    assert.equal(await Deno.readTextFile(path), "written");
    assert.deepEqual(await namesIn(dir), ["file"]);
  }));

Deno.test("a failed write leaves the old file and no draft", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    await writeFileAtomically(path, "old");
    const failing = async (draftPath: string) => {
      await Deno.writeTextFile(draftPath, "half of the n");
      throw new Error("the disk is full");
    };
    await assert.rejects(writeFileAtomically(path, failing), /the disk is full/);
    assert.equal(await Deno.readTextFile(path), "old");
    assert.deepEqual(await namesIn(dir), ["file"]);
    await assert.rejects(writeFileAtomically(join(dir, "missing", "file"), "new"), Deno.errors.NotFound);
  }));

Deno.test("the mode is exact, whatever the umask and the old file's mode", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    await Deno.writeTextFile(path, "old", { mode: 0o666 });
    const umask = Deno.umask(0o077);
    try {
      for (const mode of [0o600, 0o644]) {
        await writeFileAtomically(path, "new", { mode });
        assert.equal(await modeOf(path), mode);
      }
    } finally {
      Deno.umask(umask);
    }
  }));

Deno.test("a fixed draft that a crash left behind is replaced, its content and its mode", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    await Deno.writeTextFile(`${path}.new`, "half a fi", { mode: 0o666 });
    await writeFileAtomically(path, "new", { draftPath: `${path}.new`, mode: 0o600 });
    assert.equal(await Deno.readTextFile(path), "new");
    assert.equal(await modeOf(path), 0o600);
    assert.deepEqual(await namesIn(dir), ["file"]);
  }));

Deno.test("of several writers that may not replace the file one succeeds", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    const texts = ["one", "two", "three"];
    const writes = texts.map((text) => writeFileAtomically(path, text, { replace: false }));
    const outcomes = await Promise.allSettled(writes);
    const winner = outcomes.findIndex(({ status }) => status === "fulfilled");
    assert.equal(await Deno.readTextFile(path), texts[winner]);
    const failures = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.equal(failures.length, 2);
    assert.ok(failures.every(({ reason }) => reason instanceof Deno.errors.AlreadyExists));
    assert.deepEqual(await namesIn(dir), ["file"]);
  }));

Deno.test("a missing file is null, and any other failure is thrown", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "file");
    assert.equal(await ifPresent(Deno.readTextFile(path)), null);
    assert.equal(await ifPresent(Deno.remove(path)), null);
    assert.equal(await exists(path), false);
    await Deno.writeTextFile(path, "");
    assert.equal(await ifPresent(Deno.readTextFile(path)), "");
    assert.equal(await exists(path), true);
    await assert.rejects(ifPresent(Deno.readTextFile(join(path, "below"))), Deno.errors.NotADirectory);
    await Deno.symlink(join(dir, "nowhere"), join(dir, "link"));
    assert.equal(await exists(join(dir, "link")), true);
  }));

Deno.test("a second holder of a lock is refused with the caller's words, and asking who holds it leaves no file", () =>
  inTempDir(async (dir) => {
    const path = join(dir, "work.lock");
    assert.equal(await isLocked(path), false);
    assert.deepEqual(await namesIn(dir), []);
    const held = { message: "Somebody works here", fix: "Wait" };
    {
      using _lock = await lockFile(path, held);
      assert.equal(await isLocked(path), true);
      const refused = (error: unknown) =>
        error instanceof UserError && error.message === held.message && error.fix === held.fix;
      await assert.rejects(lockFile(path, held), refused);
    }
    assert.equal(await isLocked(path), false);
    using _again = await lockFile(path, held);
    if (Deno.build.os !== "windows") assert.equal(await modeOf(path), 0o600);
  }));

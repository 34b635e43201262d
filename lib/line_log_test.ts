/** Tests the log of lines: followed while it grows, complete after a crash. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { z } from "zod";
import { LineLog, type NumberedLine, readLines } from "./line_log.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  await inTempDir((dir) => use(join(dir, "log.jsonl")));
}

async function linesOf(log: LineLog<string>): Promise<NumberedLine<string>[]> {
  return await Array.fromAsync(log.read());
}

function numbered(...values: string[]): NumberedLine<string>[] {
  return values.map((value, index) => ({ number: index + 1, value }));
}

Deno.test("a closed log is read to its end, and only its owner may read it", async () => {
  await withPath(async (path) => {
    const log = new LineLog(path, z.string());
    for (const value of ["a", "b\nc", "ü"]) await log.append(value);
    log.close();
    assert.deepEqual(await linesOf(log), numbered("a", "b\nc", "ü"));
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("a log that was never written has no lines", async () => {
  await withPath(async (path) => {
    const log = new LineLog(path, z.string());
    log.close();
    assert.deepEqual(await linesOf(log), []);
  });
});

Deno.test("damaged lines are skipped, and the others keep their numbers", async () => {
  await withPath(async (path) => {
    await Deno.writeTextFile(path, '"a"\nnull\n"b\n\u0000\n{"c":1}\n"d"\n');
    const log = new LineLog(path, z.string());
    await log.append("e");
    log.close();
    const values = [[1, "a"], [6, "d"], [7, "e"]];
    assert.deepEqual((await linesOf(log)).map(({ number, value }) => [number, value]), values);
    assert.deepEqual(await Array.fromAsync(readLines(path, z.string())), values.map(([, value]) => value));
  });
});

Deno.test("every reader gets every line, written before or while it reads", async () => {
  await withPath(async (path) => {
    const log = new LineLog(path, z.string());
    const values = Array.from({ length: 300 }, (_, index) => `line ${index}`);
    const early = linesOf(log);
    await Promise.all(values.slice(0, 150).map((value) => log.append(value)));
    const late = linesOf(log);
    await Promise.all(values.slice(150).map((value) => log.append(value)));
    log.close();
    assert.deepEqual(await early, numbered(...values));
    assert.deepEqual(await late, numbered(...values));
  });
});

Deno.test("a reader that leaves ends at once", async () => {
  await withPath(async (path) => {
    const log = new LineLog(path, z.string());
    await log.append("a");
    const leaving = new AbortController();
    const seen: string[] = [];
    for await (const { value } of log.read({ signal: leaving.signal })) {
      seen.push(value);
      queueMicrotask(() => leaving.abort());
    }
    assert.deepEqual(seen, ["a"]);
  });
});

Deno.test("an incomplete line that a killed process left is no line, and the next one replaces it", async () => {
  await withPath(async (path) => {
    const long = "x".repeat(200_000);
    for (const torn of ['"tor', JSON.stringify(long).slice(0, -5)]) {
      await Deno.writeTextFile(path, `"a"\n"b"\n${torn}`);
      const log = new LineLog(path, z.string());
      const reading = linesOf(log);
      await log.append("c");
      log.close();
      assert.deepEqual(await reading, numbered("a", "b", "c"));
    }
    await Deno.writeTextFile(path, "torn from the start");
    const log = new LineLog(path, z.string());
    await log.append("a");
    log.close();
    assert.deepEqual(await linesOf(log), numbered("a"));
  });
});

Deno.test("a reader holds a piece of a long log, not all of it", async () => {
  await withPath(async (path) => {
    const long = 256 * 1024 * 1024;
    await Deno.writeTextFile(path, `"a"\n${JSON.stringify("b".repeat(200_000))}\n"c"\n`);
    // What follows takes no room on the disk; reading it would.
    await Deno.truncate(path, long);
    const before = Deno.memoryUsage().rss;
    const seen: number[] = [];
    for await (const { number } of new LineLog(path, z.string()).read()) {
      seen.push(number);
      assert.ok(Deno.memoryUsage().rss - before < long / 4);
      if (number === 3) break;
    }
    assert.deepEqual(seen, [1, 2, 3]);
  });
});

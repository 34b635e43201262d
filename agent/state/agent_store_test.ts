/** Tests of agent.db: who may read it, what is left when a process is killed, and what happens to a damaged file. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UserError } from "../../lib/errors.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { DamagedStateError, lossOf, Values } from "./agent_database.ts";
import { AgentStore } from "./agent_store.ts";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

function counters(store: AgentStore, change: (values: Values<number>) => void): void {
  store.write((database) => change(new Values(database, { table: "documents", schema: z.number() })));
}

function counterOf(store: AgentStore, id = "count"): number | null {
  return store.read((database) => new Values(database, { table: "documents", schema: z.number() }).get(id));
}

/** Starts a program that has `store` of a data folder; it writes a line when it is ready. */
function startProgram(dataDir: string, body: string): Deno.ChildProcess {
  const module = new URL("agent_store.ts", import.meta.url).href;
  const code = `
    import { AgentStore } from ${JSON.stringify(module)};
    const store = new AgentStore(${JSON.stringify(dataDir)}, "sync");
    ${body}`;
  const args = [
    "run",
    "-A",
    "--no-check",
    "--config",
    CONFIG,
    `data:application/typescript,${encodeURIComponent(code)}`,
  ];
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
}

Deno.test("only its user may read the state, and looking at none makes none", () =>
  inTempDir(async (dir) => {
    const store = new AgentStore(join(dir, "data"), "sync");
    assert.equal(counterOf(store), null);
    await assert.rejects(Deno.stat(store.dataDir), Deno.errors.NotFound);
    using database = store.open();
    database.transaction(() =>
      new Values(database, { table: "documents", schema: z.number() }).put("count", 1)
    );
    for await (const { name } of Deno.readDir(store.dataDir)) {
      const { mode } = await Deno.stat(join(store.dataDir, name));
      assert.equal((mode ?? 0) & 0o777, 0o600, name);
    }
    assert.equal(((await Deno.stat(store.dataDir)).mode ?? 0) & 0o777, 0o700);
    assert.equal(counterOf(store), 1);
  }));

Deno.test("a change that throws is not made, and one that returns is there for every process", () =>
  inTempDir(async (dir) => {
    const store = new AgentStore(dir, "sync");
    counters(store, (values) => values.put("count", 1));
    assert.throws(() =>
      counters(store, (values) => {
        values.put("count", 2);
        throw new RangeError("no");
      }), RangeError);
    assert.equal(counterOf(store), 1);
    const other = startProgram(
      dir,
      `store.write((database) => database.run("UPDATE documents SET value = '7'"));`,
    );
    assert.equal((await other.output()).code, 0);
    assert.equal(counterOf(store), 7);
  }));

Deno.test("processes that make and change the state at the same moment all have their changes in it", () =>
  inTempDir(async (dir) => {
    const add = `
      for (let turn = 0; turn < 20; turn++) {
        store.write((database) => {
          database.run("INSERT OR IGNORE INTO documents (id, value) VALUES ('count', '0')");
          database.run("UPDATE documents SET value = CAST(value + 1 AS TEXT)");
        });
      }`;
    const runs = await Promise.all(Array.from({ length: 4 }, () => startProgram(dir, add).output()));
    for (const { code, stderr } of runs) assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.equal(counterOf(new AgentStore(dir, "sync")), 80);
  }));

Deno.test("a process that is killed in the middle of a change leaves the state as it was before", () =>
  inTempDir(async (dir) => {
    const store = new AgentStore(dir, "sync");
    for (const count of [1, 2, 3]) {
      counters(store, (values) => values.put("count", count));
      const half = startProgram(
        dir,
        `store.write((database) => {
          database.run("UPDATE documents SET value = '99'");
          for (let row = 1; row < 20000; row++) {
            database.run("INSERT INTO seen_rows (row_id, checksum) VALUES (?, 1)", row);
          }
          Deno.stdout.writeSync(new Uint8Array([10]));
          while (true) {}
        });`,
      );
      const { done } = await half.stdout.getReader().read();
      assert.equal(done, false, "the change is under way");
      half.kill("SIGKILL");
      await half.status;
      await half.stderr.cancel();
      assert.equal(counterOf(store), count);
      assert.deepEqual(store.read((database) => database.all("SELECT count(*) FROM seen_rows")), [[0]]);
    }
  }));

/** Ways in which a file of several pages is damaged. */
const DAMAGES: Record<string, (path: string) => void> = {
  "no database": (path) => Deno.writeTextFileSync(path, "this is no database at all, whatever its name says"),
  "cut short": (path) => Deno.truncateSync(path, 5_000),
  "overwritten in the middle": (path) => {
    using file = Deno.openSync(path, { write: true });
    file.seekSync(4_096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(Deno.statSync(path).size - 4_096).fill(0xa5));
  },
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`a state file that is ${what} is kept aside at the next change, which is then made; what was lost is known`, () =>
    inTempDir(async (dir) => {
      const store = new AgentStore(dir, "sync");
      counters(store, (values) => values.put("count", 1));
      damage(store.path);
      const damaged = await Deno.readFile(store.path);
      assert.throws(
        () => counterOf(store),
        (error) => error instanceof DamagedStateError && /agent\.db is damaged$/.test(error.message),
      );
      assert.deepEqual(await Deno.readFile(store.path), damaged, "a look leaves no trace");
      counters(store, (values) => values.put("other", 2));
      assert.deepEqual([counterOf(store), counterOf(store, "other")], [null, 2]);
      assert.deepEqual(await Deno.readFile(`${store.path}.broken`), damaged);
      for (const loss of ["cursor", "sends", "policies"] as const) {
        assert.equal(store.read((database) => lossOf(database, loss)), `${store.path}.broken`);
      }
    }));
}

Deno.test("of two processes that find the same damage the second does not set aside what the first has begun", () =>
  inTempDir((dir) => {
    const store = new AgentStore(dir, "sync");
    Deno.writeTextFileSync(store.path, "half a database");
    const { inode } = damageIn(store);
    counters(store, (values) => values.put("count", 1));
    store.setAside(new DamagedStateError(store.path, { inode }));
    assert.equal(counterOf(store), 1);
    return Promise.resolve();
  }));

function damageIn(store: AgentStore): DamagedStateError {
  try {
    store.read(() => {});
  } catch (error) {
    if (error instanceof DamagedStateError) return error;
  }
  return assert.fail("the damage is not seen");
}

Deno.test("a state of a later version is left alone, with a sentence", () =>
  inTempDir((dir) => {
    const store = new AgentStore(dir, "sync");
    counters(store, (values) => values.put("count", 1));
    using database = store.open();
    database.run("PRAGMA user_version = 9");
    assert.throws(() => counters(store, (values) => values.put("count", 2)), UserError);
    assert.throws(() => counterOf(store), (error) =>
      error instanceof UserError && /newer version/.test(error.message));
    assert.deepEqual(database.all("SELECT value FROM documents"), [["1"]]);
    return Promise.resolve();
  }));

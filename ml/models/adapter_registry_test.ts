/** Tests the adapters on disk: published completely or not at all, tainted permanently, deleted, found again. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { createLogger } from "../../lib/log.ts";
import { ADAPTER_FILE } from "./adapter_manifest.ts";
import { type AdapterDraft, type AdapterRegistry, openAdapterRegistry } from "./adapter_registry.ts";

const BYTES = new TextEncoder().encode("weights of an adapter");
const DRAFT: AdapterDraft = {
  jobId: "job-1",
  baseModel: "tiny",
  baseSha256: "ab".repeat(32),
  sha256: createHash("sha256").update(BYTES).digest("hex"),
  baseLoss: 3.5,
  adapterLoss: 3.25,
  offered: true,
  offerReason: null,
  probe: null,
};

interface Fixture {
  directory: string;
  sourcePath: string;
  /** Opens the registry as a new process would. */
  open: () => Promise<AdapterRegistry>;
  /** Lines that were logged. */
  lines: string[];
}

function registryTest(name: string, use: (fixture: Fixture) => Promise<void>): void {
  Deno.test(name, async () => {
    const dir = await Deno.makeTempDir();
    try {
      const [directory, sourcePath] = [join(dir, "adapters"), join(dir, "trained.gguf")];
      await Deno.writeFile(sourcePath, BYTES);
      const lines: string[] = [];
      let time = 0;
      const log = createLogger({ write: (line) => void lines.push(line) });
      const open = () => openAdapterRegistry({ directory, log, now: () => time += 1_000 });
      await use({ directory, sourcePath, open, lines });
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}

async function namesIn(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
}

const PROOF = { probe: "measured", shift: 0.5, expectedShift: null } as const;

const accept = () => Promise.resolve(PROOF);

registryTest(
  "a published adapter is there for the next process, for its owner's eyes only",
  async (fixture) => {
    const { directory, sourcePath, open } = fixture;
    const registry = await open();
    const checked: string[] = [];
    const published = await registry.publish(DRAFT, {
      sourcePath,
      check: async ({ id, path }) => {
        assert.deepEqual(await Deno.readFile(path), BYTES);
        assert.equal(registry.get(id), undefined, "it is not to be had before it is checked");
        checked.push(id);
        return PROOF;
      },
    });
    assert.deepEqual(checked, [published.id]);
    assert.deepEqual(published.proof, PROOF);
    const again = await open();
    assert.deepEqual(again.list(), [published]);
    assert.deepEqual(await Deno.readFile(again.pathOf(published.id)), BYTES);
    assert.equal(again.sizeBytes, BYTES.length);
    for (const path of [directory, join(directory, published.id)]) {
      assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o700, path);
    }
    assert.deepEqual(await Deno.readFile(sourcePath), BYTES, "the trained file stays");
  },
);

registryTest("the latest adapter is listed first", async ({ sourcePath, open }) => {
  const registry = await open();
  for (const jobId of ["one", "two", "three"]) {
    await registry.publish({ ...DRAFT, jobId }, { sourcePath, check: accept });
  }
  assert.deepEqual(registry.list().map(({ jobId }) => jobId), ["three", "two", "one"]);
});

registryTest("a failed publication leaves nothing behind and the others unchanged", async (fixture) => {
  const { directory, sourcePath, open } = fixture;
  const registry = await open();
  const kept = await registry.publish(DRAFT, { sourcePath, check: accept });
  const refuse = () => Promise.reject(new Error("it cannot be served"));
  await assert.rejects(registry.publish(DRAFT, { sourcePath, check: refuse }), /it cannot be served/);
  const other = { ...DRAFT, sha256: "00".repeat(32) };
  await assert.rejects(
    registry.publish(other, { sourcePath, check: accept }),
    /not the one that was trained/,
  );
  const missing = { sourcePath: `${sourcePath}.none`, check: accept };
  await assert.rejects(registry.publish(DRAFT, missing), Deno.errors.NotFound);
  assert.deepEqual(await namesIn(directory), [kept.id]);
  assert.deepEqual(registry.list(), [kept]);
});

registryTest(
  "what a crash left incomplete is removed, and what cannot be read is left alone",
  async (fixture) => {
    const { directory, sourcePath, open, lines } = fixture;
    const registry = await open();
    const [kept, cut, strange] = [
      await registry.publish(DRAFT, { sourcePath, check: accept }),
      await registry.publish(DRAFT, { sourcePath, check: accept }),
      await registry.publish(DRAFT, { sourcePath, check: accept }),
    ];
    for (const name of ["staged-a", "removed-b"]) {
      await Deno.mkdir(join(directory, name));
      await Deno.writeFile(join(directory, name, ADAPTER_FILE), BYTES);
    }
    await Deno.writeFile(registry.pathOf(cut.id), BYTES.subarray(3));
    await Deno.writeTextFile(join(directory, strange.id, "adapter.json"), "{");
    assert.deepEqual((await open()).list(), [kept]);
    assert.deepEqual(await namesIn(directory), [kept.id, cut.id, strange.id].sort());
    assert.equal(lines.filter((line) => line.includes("holds no complete one")).length, 2);
  },
);

registryTest("a taint survives restarts and repetition", async ({ sourcePath, open }) => {
  const registry = await open();
  const { id } = await registry.publish(DRAFT, { sourcePath, check: accept });
  assert.equal((await registry.taint(id))?.tainted, true);
  assert.equal((await registry.taint(id))?.tainted, true);
  assert.equal(registry.get(id)?.tainted, true);
  assert.equal((await open()).get(id)?.tainted, true);
  assert.equal(await registry.taint("unknown"), undefined);
});

registryTest("a deleted adapter is gone, also when it is deleted and tainted at once", async (fixture) => {
  const { directory, sourcePath, open } = fixture;
  const registry = await open();
  const { id } = await registry.publish(DRAFT, { sourcePath, check: accept });
  const [removed, tainted, again] = await Promise.all([
    registry.remove(id),
    registry.taint(id),
    registry.remove(id),
  ]);
  assert.deepEqual([removed?.id, tainted, again], [id, undefined, undefined]);
  assert.deepEqual([registry.list(), registry.sizeBytes, await namesIn(directory)], [[], 0, []]);
});

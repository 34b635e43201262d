/** Tests the proof that an adapter is applied, on a tiny model with adapters that were really trained on it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ApiError, messageOf } from "../../../lib/errors.ts";
import { silentLogger } from "../../../lib/log.ts";
import { trainTinyAdapter } from "../../../tests/support/ml/tiny_adapter.ts";
import { type TinyEngine, withTinyEngine } from "../../../tests/support/ml/tiny_gguf_engine.ts";
import { sha256OfFile } from "../../models/model_file.ts";
import { measureProbe, probeTokens } from "../../training/job/trained_probe.ts";
import { judgeProbe, type ProbeFigures } from "../adapter_probe.ts";
import type { AdapterFile, GenerationRequest } from "../engine.ts";
import { openSampleTokenizer } from "./sample_tokenizer.ts";

/** Trains an adapter as a job does: its file, and what the trainer measured of it on the probe. */
async function trained(
  { path: modelPath, dir }: TinyEngine,
  options: { seed?: number; steps?: number } = {},
): Promise<AdapterFile & { probe: ProbeFigures }> {
  const id = `adapter-${options.seed ?? 1}-${options.steps ?? "all"}`;
  const path = join(dir, `${id}.gguf`);
  const probe = await trainTinyAdapter({ modelPath, path, ...options }, async (trainer) => {
    await using tokenizer = await openSampleTokenizer(modelPath, { log: silentLogger() });
    return await measureProbe(trainer, probeTokens(tokenizer));
  });
  return { id, path, sha256: await sha256OfFile(path), baseModelId: "tiny", probe };
}

/** The same adapter with another alpha: a file that llama.cpp loads as readily. */
async function withStrength(adapter: AdapterFile, factor: number): Promise<AdapterFile> {
  const bytes = await Deno.readFile(adapter.path);
  const key = new TextEncoder().encode("adapter.lora.alpha");
  const at = bytes.findIndex((_, start) => key.every((byte, index) => bytes[start + index] === byte));
  const view = new DataView(bytes.buffer, at + key.length);
  // The value's type, u32, comes between the key and the value: gguf.md.
  view.setFloat32(4, view.getFloat32(4, true) * factor, true);
  const path = `${adapter.path}.${factor}`;
  await Deno.writeFile(path, bytes);
  return { ...adapter, id: `${adapter.id}-${factor}`, path, sha256: await sha256OfFile(path) };
}

function request(adapter: AdapterFile): GenerationRequest {
  const prompt = "Them: hi, how are you?\nMe:";
  return { prompt, maxTokens: 4, temperature: 0, topP: 1, repeatPenalty: 1, stop: [], adapter };
}

function isUnproven(words: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof ApiError && error.code === "adapter_unproven" && words.test(error.message);
}

function probeTest(name: string, use: (tiny: TinyEngine) => Promise<void>): void {
  Deno.test(name, () => withTinyEngine({}, use));
}

probeTest(
  "a trained adapter is served with the proof that it changes the model as in training",
  async (tiny) => {
    const adapter = await trained(tiny);
    const { adapterProof } = await tiny.engine.generate(request(adapter));
    assert.equal(adapterProof?.probe, "agrees");
    const { shift, expectedShift } = adapterProof;
    assert.ok(
      shift > 0.01 && Math.abs(shift - (expectedShift ?? NaN)) < 0.1 * shift,
      `${shift}, ${expectedShift}`,
    );
    assert.deepEqual(
      await tiny.engine.probeAdapter(adapter),
      adapterProof,
      "the proof is the same each time",
    );
  },
);

probeTest("an adapter whose B is all zeros leaves the base model, and is refused", async (tiny) => {
  const silent = await trained(tiny, { steps: 0 });
  assert.deepEqual(silent.probe.base, silent.probe.adapter);
  for (const adapter of [silent, { ...silent, id: "older", probe: null }]) {
    await assert.rejects(tiny.engine.generate(request(adapter)), isUnproven(/does not change the model/));
    await assert.rejects(tiny.engine.probeAdapter(adapter), /does not change the model/);
  }
});

probeTest(
  "an adapter of less strength than it was trained with is refused, with the figures",
  async (tiny) => {
    const adapter = await trained(tiny);
    for (const factor of [0, 0.5, 2]) {
      const other = await withStrength(adapter, factor);
      await assert.rejects(tiny.engine.generate(request(other)), isUnproven(/does not change the model/));
    }
    const same = await withStrength(adapter, 1);
    assert.equal((await tiny.engine.generate(request(same))).adapterProof?.probe, "agrees");
  },
);

probeTest("an adapter with the figures of another one is refused", async (tiny) => {
  const [adapter, other] = [await trained(tiny), await trained(tiny, { seed: 2 })];
  const mixed = { ...adapter, probe: other.probe };
  await assert.rejects(tiny.engine.generate(request(mixed)), isUnproven(/as it did in training/));
});

probeTest("an adapter of an earlier version is measured and served", async (tiny) => {
  const adapter = { ...await trained(tiny), probe: null };
  const proof = await tiny.engine.probeAdapter(adapter);
  assert.deepEqual([proof.probe, proof.expectedShift], ["measured", null]);
  assert.ok(proof.shift > 0.01);
});

probeTest("a refused adapter does not stop the one after it, nor the model", async (tiny) => {
  const [adapter, silent] = [await trained(tiny), await trained(tiny, { steps: 0 })];
  await assert.rejects(tiny.engine.generate(request(silent)), isUnproven(/./));
  assert.equal((await tiny.engine.generate(request(adapter))).adapterProof?.probe, "agrees");
  const { adapter: _, ...alone } = request(adapter);
  assert.equal((await tiny.engine.generate(alone)).adapterProof, undefined);
});

probeTest("the weakest training is proven too", async (tiny) => {
  const weak = await trained(tiny, { steps: 1 });
  const proof = await tiny.engine.probeAdapter(weak);
  assert.equal(proof.probe, "agrees");
  assert.ok(proof.shift > 1e-4, `${proof.shift}`);
});

Deno.test("numbers that are none, and figures of another probe, are not taken for a proof", () => {
  const figures = { version: 1, base: [-2, -3, -4], adapter: [-1, -2.5, -4.2] };
  assert.throws(
    () => judgeProbe("a", { ...figures, adapter: [NaN, -2, -4] }, { stored: null }),
    (error) => /does not answer with numbers/.test(messageOf(error)),
  );
  const shorter = { version: 1, base: [-2], adapter: [-1] };
  assert.throws(() => judgeProbe("a", figures, { stored: shorter }), /as it did in training/);
  assert.equal(judgeProbe("a", figures, { stored: { ...figures, version: 2 } }).probe, "measured");
});

/** Tests the shipped adapter of many people's texting: who gets it, who does not, and how a training uses it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { TEXTING_ADAPTER_ID } from "../contract/generation.ts";
import { generateResultSchema, healthResponseSchema } from "../contract/ml.ts";
import type { TrainingResult } from "../contract/training_figures.ts";
import { SMALL_MODEL } from "./models/catalog.ts";
import { ADAPTER_FILE, type AdapterManifest, writeManifest } from "./models/adapter_manifest.ts";
import { sha256OfFile } from "./models/model_file.ts";
import { readTextingAdapter, type TextingAdapter } from "./models/texting_adapter.ts";
import {
  assertError,
  type MlService,
  type MlServiceOptions,
  withMlService,
} from "../tests/support/ml/ml_service.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import {
  adaptersOf,
  completed,
  SAMPLES,
  start,
  type TrainingChanges,
} from "../tests/support/training/training_client.ts";

const BODY = { prompt: "Them: are you coming tonight?\nMe:", max_tokens: 12, temperature: 0 };
const DEFAULT_SHAPE = { lora: undefined, epochs: 6, learning_rate: 2e-2 };

/** Runs the service again, with other options. */
type Again = (
  options: Partial<MlServiceOptions>,
  use: (service: MlService) => Promise<void>,
) => Promise<void>;

async function generate({ post }: MlService, extra: object) {
  return generateResultSchema.parse(await (await post("/generate", { ...BODY, ...extra })).json());
}

/** Trains, and returns what came out. */
async function train(service: MlService, changes: TrainingChanges): Promise<TrainingResult> {
  const { job_id: jobId } = await start(service, changes);
  const { result } = await completed(service, jobId);
  assert.ok(result);
  return result;
}

/** Copies a trained adapter into a folder, as one that is shipped. */
async function ship(
  { registry, dir }: MlService,
  id: string,
  changes: Partial<AdapterManifest> = {},
): Promise<TextingAdapter> {
  const folder = join(dir, `shipped-${crypto.randomUUID()}`);
  await Deno.mkdir(folder);
  await Deno.copyFile(registry.pathOf(id), join(folder, ADAPTER_FILE));
  const manifest = registry.get(id);
  assert.ok(manifest);
  await writeManifest(folder, { ...manifest, id: TEXTING_ADAPTER_ID, proof: null, ...changes });
  const texting = await readTextingAdapter(folder);
  assert.ok(texting);
  return texting;
}

/** A test of a service on whose model an adapter was trained. */
function textingTest(
  name: string,
  use: (again: Again, trained: { service: MlService; adapterId: string }) => Promise<void>,
): void {
  Deno.test(name, () =>
    withTinyEngine({}, async ({ engine, dir }) => {
      const again: Again = (options, used) =>
        withMlService({ engine, dir, ...options }, async (service) => {
          await service.models.start();
          await used(service);
        });
      await again({}, async (service) => {
        const { adapter_id: adapterId } = await train(service, DEFAULT_SHAPE);
        await use(again, { service, adapterId });
      });
    }));
}

textingTest("a draft without an own adapter has the shipped one, and says so", async (again, trained) => {
  const { service, adapterId } = trained;
  const texting = await ship(service, adapterId);
  const [base, own] = [await generate(service, {}), await generate(service, { adapter_id: adapterId })];
  assert.notEqual(base.response, own.response);
  await again({ texting }, async (other) => {
    const drafted = await generate(other, { texting: true });
    assert.deepEqual([drafted.response, drafted.model_version], [own.response, "tiny+texting"]);
    assert.deepEqual([drafted.adapter?.id, drafted.adapter?.probe], ["texting", "agrees"]);
    assert.equal(drafted.adapter?.sha256, texting.manifest.sha256);
    // Nobody else gets it unasked, and an account's own one comes first.
    assert.equal((await generate(other, {})).model_version, "tiny");
    const named = await generate(other, { texting: true, adapter_id: adapterId });
    assert.equal(named.model_version, `tiny+${adapterId}`);
    assert.equal((await adaptersOf(other)).at(-1)?.id, "texting");
    const health = healthResponseSchema.parse(await (await other.request("/health")).json());
    assert.ok(health.adapters?.some(({ id, probe }) => id === "texting" && probe === "agrees"));
    // It belongs to the program, not to its callers.
    const removal = await other.request("/models/adapters/texting", { method: "DELETE" });
    await assertError(removal, "404 not_found");
  });
});

textingTest("the model writes alone where the shipped adapter cannot be used", async (again, trained) => {
  const { service, adapterId } = trained;
  const writesAlone = async (options: Partial<MlServiceOptions>) => {
    await again(options, async (other) => {
      const { model_version, adapter } = await generate(other, { texting: true });
      assert.deepEqual([model_version, adapter], ["tiny", undefined]);
    });
  };
  await writesAlone({ texting: await ship(service, adapterId), settings: { textingAdapter: "off" } });
  await writesAlone({ texting: await ship(service, adapterId, { baseSha256: "0".repeat(64) }) });
  await writesAlone({ texting: await ship(service, adapterId, { baseModel: "other" }) });
  const damaged = await ship(service, adapterId, { sha256: "0".repeat(64) });
  await writesAlone({ texting: damaged });
  await again({ texting: damaged }, async ({ post }) => {
    await assertError(await post("/generate", { ...BODY, adapter_id: "texting" }), "409 adapter_damaged");
  });
});

textingTest(
  "a training is compared with the shipped adapter, and may start from it",
  async (again, trained) => {
    const texting = await ship(trained.service, trained.adapterId);
    // Enough that thirty are held out.
    const samples = Array.from(
      { length: 5 },
      (_, round) =>
        SAMPLES.map(({ input, output }) => ({ input: `${round} ${input}`, output: `${round} ${output}` })),
    )
      .flat();
    const lossFrom = async (trainingStart: "base" | "texting") => {
      let loss = NaN;
      await again({ texting, settings: { trainingStart } }, async (other) => {
        // At next to no learning rate an adapter stays where it began.
        const job = { ...DEFAULT_SHAPE, job_id: trainingStart, samples, epochs: 1, learning_rate: 1e-6 };
        const result = await train(other, job);
        assert.match(result.offer_reason ?? "", /Control: .*the texting adapter of many others, ahead by/);
        loss = result.adapter_loss ?? NaN;
        // One of another shape cannot start there, and is trained without.
        const narrow = await train(other, { ...job, job_id: `${trainingStart}-rank-4`, lora: { rank: 4 } });
        assert.doesNotMatch(narrow.offer_reason ?? "", /Control/);
      });
      return loss;
    };
    const [fromBase, fromTexting] = [await lossFrom("base"), await lossFrom("texting")];
    assert.ok(Math.abs(fromBase - fromTexting) > 0.01, `${fromBase} and ${fromTexting}`);
  },
);

Deno.test("the shipped file is the pinned one, for the small model of the catalog", async () => {
  const texting = await readTextingAdapter();
  assert.ok(texting);
  const { manifest: { id, baseModel, baseSha256, sha256, sizeBytes, probe }, path } = texting;
  assert.deepEqual([id, baseModel, baseSha256], [TEXTING_ADAPTER_ID, SMALL_MODEL.id, SMALL_MODEL.sha256]);
  assert.equal(await sha256OfFile(path), sha256);
  assert.ok(sizeBytes < 5e6 && probe !== null);
});

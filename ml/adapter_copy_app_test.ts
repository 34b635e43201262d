/** Tests how an adapter is copied out of one service and into another, over HTTP on the tiny model. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { adapterInfoSchema, generateResultSchema } from "../contract/ml.ts";
import { ML_PATHS, pathOf } from "../contract/paths.ts";
import { assertError, type MlService, withMlService } from "../tests/support/ml/ml_service.ts";
import { publishTinyAdapter } from "../tests/support/ml/tiny_adapter.ts";
import { withTinyEngine } from "../tests/support/ml/tiny_gguf_engine.ts";
import { adaptersOf, trainingTest } from "../tests/support/training/training_client.ts";

const BODY = { prompt: "Them: are you coming tonight?\nMe:", max_tokens: 12, temperature: 0 };

/** A service with the tiny model and no adapters. */
function withOther(use: (service: MlService) => Promise<void>, { adaptersLimitBytes = 1e9 } = {}) {
  return withTinyEngine(
    {},
    ({ engine, dir }) =>
      withMlService({ engine, dir, adaptersLimitBytes }, async (service) => {
        await service.models.start();
        await use(service);
      }),
  );
}

const pathOfFile = (id: string) => pathOf(ML_PATHS.adapterFile, { id });

async function copyOf({ request }: MlService, id: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(pathOfFile(id));
  assert.equal(response.status, 200);
  return await response.bytes();
}

function put({ request }: MlService, id: string, body: BodyInit): Promise<Response> {
  return request(pathOfFile(id), { method: "PUT", body });
}

/** A copy with another manifest, or another file. */
function changed(
  copy: Uint8Array<ArrayBuffer>,
  { manifest, file }: {
    manifest?: object;
    file?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  },
): Blob {
  const end = copy.indexOf(10);
  const before = JSON.parse(new TextDecoder().decode(copy.subarray(0, end)));
  const bytes = copy.slice(end + 1);
  return new Blob([JSON.stringify({ ...before, ...manifest }), "\n", file?.(bytes) ?? bytes]);
}

async function replyOf({ post }: MlService, adapter_id: string) {
  return generateResultSchema.parse(await (await post("/generate", { ...BODY, adapter_id })).json());
}

async function entriesOf({ dir }: MlService): Promise<string[]> {
  return await Array.fromAsync(Deno.readDir(join(dir, "adapters")), ({ name }) => name);
}

trainingTest("a copied adapter answers elsewhere as here, and its probe agrees", async (service) => {
  const { id } = await publishTinyAdapter(service);
  const [here, copy] = [await replyOf(service, id), await copyOf(service, id)];
  await withOther(async (other) => {
    // In small pieces, as a network may bring it.
    const pieces = ReadableStream.from((function* () {
      for (let at = 0; at < copy.length; at += 700) yield copy.subarray(at, at + 700);
    })());
    const info = adapterInfoSchema.parse(await (await put(other, id, pieces)).json());
    assert.deepEqual([info.id, info.state, info.proof?.probe], [id, "ready", "agrees"]);
    const there = await replyOf(other, id);
    assert.deepEqual([there.response, there.adapter], [here.response, here.adapter]);
    assert.equal((await put(other, id, copy)).status, 200);
    assert.deepEqual(await entriesOf(other), [id]);
    await other.post(`/models/adapters/${id}/taint`, {});
    const again = adapterInfoSchema.parse(await (await put(other, id, copy)).json());
    assert.equal(again.state, "tainted", "what is tainted stays so");
    await assertError(await other.request(pathOfFile(id)), "409 conflict");
  });
});

trainingTest(
  "what is no adapter of the served model is refused, and nothing of it stays",
  async (service) => {
    const { id } = await publishTinyAdapter(service);
    const copy = await copyOf(service, id);
    const other = { id: "other" };
    const flipped = (bytes: Uint8Array<ArrayBuffer>) =>
      bytes.with(bytes.length - 9, (bytes.at(-9) ?? 0) ^ 64);
    const probe = { ...service.registry.get(id)?.probe, adapter: [-9, -9, -9] };
    const cases: [name: string, body: BodyInit, expected: string][] = [
      ["no manifest", "hello", "400 validation_failed"],
      ["an endless line", "x".repeat(1_000_000), "400 validation_failed"],
      [
        "a broken manifest",
        changed(copy, { manifest: { ...other, sizeBytes: -1 } }),
        "400 validation_failed",
      ],
      ["another id", copy, "400 validation_failed"],
      ["tainted", changed(copy, { manifest: { ...other, tainted: true } }), "400 validation_failed"],
      [
        "another model's",
        changed(copy, { manifest: { ...other, baseSha256: "0".repeat(64) } }),
        "409 conflict",
      ],
      ["a changed file", changed(copy, { manifest: other, file: flipped }), "409 conflict"],
      [
        "a file cut short",
        changed(copy, { manifest: other, file: (bytes) => bytes.slice(0, -1) }),
        "409 conflict",
      ],
      ["a longer file", changed(copy, { manifest: { ...other, sizeBytes: 100 } }), "409 conflict"],
      ["trained otherwise", changed(copy, { manifest: { ...other, probe } }), "409 conflict"],
    ];
    for (const [name, body, expected] of cases) {
      assert.ok(await assertError(await put(service, "other", body), expected), name);
    }
    assert.deepEqual((await adaptersOf(service)).map((adapter) => adapter.id), [id]);
    assert.deepEqual(await entriesOf(service), [id]);
    await assertError(await put(service, "..", copy), "404 not_found");
    await withOther(async (full) => {
      assert.match(await assertError(await put(full, id, copy), "409 conflict"), /ADAPTERS_LIMIT_MB/);
    }, { adaptersLimitBytes: copy.length / 2 });
  },
);

trainingTest("a damaged or unknown adapter is not given", async (service) => {
  const { id } = await publishTinyAdapter(service);
  await Deno.writeTextFile(service.registry.pathOf(id), "short");
  await assertError(await service.request(pathOfFile(id)), "409 adapter_damaged");
  await assertError(await service.request(pathOfFile("unknown")), "404 not_found");
});

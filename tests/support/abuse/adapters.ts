/** The part of the abuse that damages stored adapters in many ways: which of them ml then serves. */
import { join } from "node:path";
import { z } from "zod";
import { generateResultSchema } from "../../../contract/ml.ts";
import { ML_PATHS } from "../../../contract/paths.ts";
import { createClient, RemoteError } from "../../../lib/http/client.ts";
import { silentLogger } from "../../../lib/log.ts";
import { type AdapterRegistry, openAdapterRegistry } from "../../../ml/models/adapter_registry.ts";
import { sha256OfFile } from "../../../ml/models/model_file.ts";
import { trainTinyAdapter } from "../ml/tiny_adapter.ts";
import type { AbuseReport } from "./abuse_report.ts";
import { type AbusedService, faultsOf, type MlFolder, startAbusedMl } from "./abused_service.ts";

/** A file of another size than its manifest says is found at the start, and not listed. */
const REFUSALS = ["adapter_damaged", "not_found"];
const NAN_BYTES = [0x00, 0x00, 0xc0, 0x7f];

/** What happens to a file, by name; each gives the bytes that are left of it. */
const DAMAGES: Readonly<Record<string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array>> = {
  "one bit of its head": (bytes) => withBit(bytes, 9),
  "one bit of its middle": (bytes) => withBit(bytes, bytes.length >> 1),
  "one bit of its end": (bytes) => withBit(bytes, bytes.length - 1),
  "not numbers in its last quarter": (bytes) =>
    bytes.map((byte, at) => at < bytes.length * 0.75 ? byte : NAN_BYTES[at % 4] ?? 0),
  "zeros from its middle on": (bytes) => bytes.fill(0, bytes.length >> 1),
  "half of it gone": (bytes) => bytes.subarray(0, bytes.length >> 1),
  "all of it gone": () => new Uint8Array(),
  "other bytes after it": (bytes) => new Uint8Array([...bytes, 0]),
};

function withBit(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}

/** Publishes an adapter as often as it will be damaged, and once more. Returns their ids. */
async function publishAdapters(registry: AdapterRegistry, { dir, model }: MlFolder): Promise<string[]> {
  const sourcePath = join(dir, "trained.gguf");
  await trainTinyAdapter({ modelPath: model, path: sourcePath }, () => {});
  const draft = {
    baseModel: "tiny",
    baseSha256: await sha256OfFile(model),
    sha256: await sha256OfFile(sourcePath),
    baseLoss: null,
    adapterLoss: null,
    offered: true,
    offerReason: null,
    probe: null,
  };
  const check = () => Promise.resolve({ probe: "measured", shift: 1, expectedShift: null } as const);
  const ids: string[] = [];
  for (let index = 0; index <= Object.keys(DAMAGES).length; index++) {
    ids.push((await registry.publish({ ...draft, jobId: `job-${index}` }, { sourcePath, check })).id);
  }
  return ids;
}

/** `served`, or the code of the refusal. */
async function outcomeOf({ service }: AbusedService, adapterId: string): Promise<string> {
  const body = { prompt: "Them: hi\nMe:", max_tokens: 4, adapter_id: adapterId };
  const schema = generateResultSchema.extend({ cached: z.literal(false) });
  try {
    await createClient({ baseUrl: service.url }).request("POST", ML_PATHS.generate, { body, schema });
    return "served";
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return error.body.code;
  }
}

/** Adapters that were damaged on the disk are refused by name, each time; an intact one is served between them. */
export async function adaptersPart(): Promise<AbuseReport> {
  let ids: string[] = [];
  await using abused = await startAbusedMl(async (folder) => {
    const registry = await openAdapterRegistry({
      directory: join(folder.dir, "ml", "adapters"),
      log: silentLogger(),
    });
    ids = await publishAdapters(registry, folder);
    for (const [index, damage] of Object.values(DAMAGES).entries()) {
      const path = registry.pathOf(ids[index] ?? "");
      await Deno.writeFile(path, damage(await Deno.readFile(path)));
    }
  });
  const intact = ids.pop() ?? "";
  const faults: string[] = [];
  const figures: Record<string, number> = { "damaged adapters": ids.length, "intact served": 0 };
  for (const [index, name] of Object.keys(DAMAGES).entries()) {
    const first = await outcomeOf(abused, ids[index] ?? "");
    const again = await outcomeOf(abused, ids[index] ?? "");
    for (const outcome of [first, again]) figures[outcome] = (figures[outcome] ?? 0) + 1;
    if (!REFUSALS.includes(first) || again !== first) faults.push(`${name}: ${first}, then ${again}`);
    const other = await outcomeOf(abused, intact);
    if (other === "served") figures["intact served"] = (figures["intact served"] ?? 0) + 1;
    else faults.push(`after ${name} the intact one: ${other}`);
  }
  return { figures, faults: await faultsOf(abused, faults) };
}

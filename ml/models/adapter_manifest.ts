/** The manifest beside an adapter's file: its origin, its losses, and whether it may be served. */
import { join } from "node:path";
import { modelIdSchema } from "../../contract/generation.ts";
import { z } from "../../deps.ts";
import { writeFileAtomically } from "../../lib/files.ts";
import { adapterProofSchema, probeFiguresSchema } from "../engine/adapter_probe.ts";

export const ADAPTER_FILE = "adapter.gguf";
const MANIFEST_FILE = "adapter.json";

/** What is stored of an adapter beside its file. */
export const adapterManifestSchema = z.object({
  version: z.literal(1),
  id: modelIdSchema,
  jobId: z.string(),
  /** Id of the model that it was trained on. */
  baseModel: z.string(),
  /** SHA-256 of that model's file, in hex. */
  baseSha256: z.string(),
  /** SHA-256 of the adapter's own file, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().min(0),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Loss per token of the held-out replies; null where none were held out. */
  baseLoss: z.number().nullable(),
  adapterLoss: z.number().nullable(),
  /** What the gate decided, and why; manifests of earlier versions have no reason. */
  offered: z.boolean(),
  offerReason: z.string().nullable().default(null),
  /** What the trainer measured of it on the probe; null for adapters of earlier versions. */
  probe: probeFiguresSchema.nullable().default(null),
  /** What the probe showed when it was published; null for adapters of earlier versions. */
  proof: adapterProofSchema.nullable().default(null),
  /** Something it learned from was deleted: it is no longer served. */
  tainted: z.boolean(),
});
export type AdapterManifest = z.infer<typeof adapterManifestSchema>;

/** Writes the manifest into an adapter's folder, atomically. */
export async function writeManifest(folder: string, manifest: AdapterManifest): Promise<void> {
  await writeFileAtomically(join(folder, MANIFEST_FILE), JSON.stringify(manifest, null, 2), { mode: 0o600 });
}

/** The manifest in an adapter's folder; null when the folder holds no complete adapter. */
export async function readManifest(folder: string): Promise<AdapterManifest | null> {
  try {
    const text = await Deno.readTextFile(join(folder, MANIFEST_FILE));
    const manifest = adapterManifestSchema.parse(JSON.parse(text));
    const { size } = await Deno.stat(join(folder, ADAPTER_FILE));
    return size === manifest.sizeBytes ? manifest : null;
  } catch {
    // Whatever is wrong with one, the others are served.
    return null;
  }
}

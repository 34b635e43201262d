/**
 * Makes the texting adapter that ml ships, again: the task `texting-adapter`.
 *
 * Equal samples, settings and instructions of the processor give the same file, bit for bit; another kind of processor
 * rounds otherwise and gives another hash. The result replaces the files in `ml/models/texting`.
 */
import { join } from "node:path";
import { TEXTING_ADAPTER_ID } from "../../contract/generation.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { runMain } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { ADAPTER_FILE, writeManifest } from "../../ml/models/adapter_manifest.ts";
import { TEXTING_FOLDER } from "../../ml/models/texting_adapter.ts";
import { DATA_DIR } from "../style/cached_run.ts";
import { voicePeople } from "./voice_people.ts";
import { trainPooled } from "./voice_training.ts";

/** Its age says nothing; a fixed one leaves the manifest the same. */
const CREATED_AT = "2026-01-01T00:00:00.000Z";

async function main(): Promise<void> {
  const { pool } = voicePeople(await readCorpus(DATA_DIR));
  const result = await trainPooled(pool);
  const { adapterPath, adapterHash, modelId, modelHash, heldOut, offered, offerReason, probe } = result;
  await Deno.mkdir(TEXTING_FOLDER, { recursive: true });
  const path = join(TEXTING_FOLDER, ADAPTER_FILE);
  await Deno.copyFile(adapterPath, path);
  await writeManifest(TEXTING_FOLDER, {
    version: 1,
    id: TEXTING_ADAPTER_ID,
    jobId: result.jobId,
    baseModel: modelId,
    baseSha256: modelHash,
    sha256: adapterHash,
    sizeBytes: (await Deno.stat(path)).size,
    createdAt: CREATED_AT,
    baseLoss: heldOut.baseLoss,
    adapterLoss: heldOut.adapterLoss,
    offered,
    offerReason,
    probe,
    proof: null,
    tainted: false,
  });
  writeLine(
    `${result.train} replies of ${pool.people} people; held out: ${heldOut.samples} of others, loss ` +
      `${heldOut.baseLoss.toFixed(3)} to ${heldOut.adapterLoss.toFixed(3)}; SHA-256 ${adapterHash}`,
  );
}

if (import.meta.main) await runMain(main);

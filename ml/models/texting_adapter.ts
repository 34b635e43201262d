/** The texting adapter that is shipped: trained on replies of many people of a public corpus, for the small model. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ADAPTER_FILE, type AdapterManifest, readManifest } from "./adapter_manifest.ts";

/** `deno task texting-adapter` makes its files again. */
export const TEXTING_FOLDER = fileURLToPath(new URL("./texting", import.meta.url));

/** The shipped adapter; its manifest pins the hashes of its file and of the only model file that it fits. */
export interface TextingAdapter {
  manifest: AdapterManifest;
  path: string;
}

/** Reads the shipped adapter; undefined where its files are not complete. */
export async function readTextingAdapter(folder = TEXTING_FOLDER): Promise<TextingAdapter | undefined> {
  const manifest = await readManifest(folder);
  return manifest === null ? undefined : { manifest, path: join(folder, ADAPTER_FILE) };
}

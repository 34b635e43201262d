/** Owns the models folder: which GGUF files lie there, and under which ids they are asked for. */
import { basename, join } from "node:path";
import { modelIdSchema } from "../../contract/ml.ts";
import { CATALOG, catalogModel } from "./catalog.ts";

const EXTENSION = ".gguf";

/** A model whose file is on this machine. */
export interface LocalModel {
  id: string;
  path: string;
  sizeBytes: number;
}

/** The id of a file: the catalog's where it is the catalog's file, else its name without `.gguf`. */
export function modelIdOf(path: string): string {
  const fileName = basename(path);
  const known = CATALOG.find((model) => model.fileName === fileName);
  return known?.id ?? fileName.replace(/\.gguf$/i, "");
}

/** A file of the catalog counts only when it is whole. */
function isWhole(id: string, sizeBytes: number): boolean {
  const known = catalogModel(id);
  return known === null || known.sizeBytes === sizeBytes;
}

/** Every usable model of the folder, by id; a folder that does not exist has none. */
export async function listModels(modelsDir: string): Promise<LocalModel[]> {
  const models: LocalModel[] = [];
  try {
    for await (const entry of Deno.readDir(modelsDir)) {
      if (!entry.name.toLowerCase().endsWith(EXTENSION) || entry.isDirectory) continue;
      const path = join(modelsDir, entry.name);
      const id = modelIdOf(path);
      const sizeBytes = (await Deno.stat(path)).size;
      if (modelIdSchema.safeParse(id).success && isWhole(id, sizeBytes)) models.push({ id, path, sizeBytes });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return models.toSorted((one, other) => one.id.localeCompare(other.id));
}

/** The model of the folder with this id, or null. Ids are names, never paths. */
export async function findModel(id: string, modelsDir: string): Promise<LocalModel | null> {
  return (await listModels(modelsDir)).find((model) => model.id === id) ?? null;
}

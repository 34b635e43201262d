/** The models folder: its GGUF files and the ids under which they are served. */
import { basename, join } from "node:path";
import { CATALOG, catalogModel } from "./catalog.ts";

const EXTENSION = ".gguf";

/** A model file in the folder. */
export interface FolderModel {
  id: string;
  path: string;
  sizeBytes: number;
}

/** The id of a file: the catalog's, or its name without the extension in characters that an id may have. */
export function idOfFileName(path: string): string {
  const fileName = basename(path);
  const known = CATALOG.find((model) => model.fileName === fileName);
  if (known) return known.id;
  const stem = fileName.endsWith(EXTENSION) ? fileName.slice(0, -EXTENSION.length) : fileName;
  const id = stem.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/\.{2,}/g, ".").replace(/^[._-]+/, "");
  return id.slice(0, 128) || "model";
}

/** The complete models in the folder: a catalog model of another size is an interrupted download. */
export async function listModelsFolder(modelsDir: string): Promise<FolderModel[]> {
  const models: FolderModel[] = [];
  try {
    for await (const { name } of Deno.readDir(modelsDir)) {
      if (!name.endsWith(EXTENSION)) continue;
      const path = join(modelsDir, name);
      // A link that leads nowhere does not hide the others.
      const info = await Deno.stat(path).catch(() => null);
      if (!info?.isFile) continue;
      const { size } = info;
      const id = idOfFileName(name);
      if ((catalogModel(id)?.sizeBytes ?? size) === size) models.push({ id, path, sizeBytes: size });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return models.sort((a, b) => a.id < b.id ? -1 : 1);
}

/** The folder's model of an id, or undefined. */
export async function findInModelsFolder(modelsDir: string, id: string): Promise<FolderModel | undefined> {
  return (await listModelsFolder(modelsDir)).find((model) => model.id === id);
}

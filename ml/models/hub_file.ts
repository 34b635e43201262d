/** Any GGUF file of the hub by repository and name; what it is when it is first fetched is what it has to be ever after. */
import { join } from "node:path";
import { z } from "../../deps.ts";
import { messageOf, UserError } from "../../lib/errors.ts";
import { ifPresent, writeFileAtomically } from "../../lib/files.ts";
import { type CatalogModel } from "./catalog.ts";
import { idOfFileName } from "./models_folder.ts";

/** Holds what was fetched, by the name of the file in the models folder. */
const PINS_FILE = "pins.json";
const TIMEOUT_MS = 10_000;

const pinSchema = z.object({
  repository: z.string(),
  revision: z.string(),
  sizeBytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const pinsSchema = z.record(z.string(), pinSchema);
type Pins = z.infer<typeof pinsSchema>;

async function readPins(modelsDir: string): Promise<Pins> {
  const path = join(modelsDir, PINS_FILE);
  const text = await ifPresent(Deno.readTextFile(path));
  if (text === null) return {};
  try {
    return pinsSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(`${path} cannot be read`, {
      fix: "Remove it to accept the files again as they are",
      cause: error,
    });
  }
}

function modelOf(fileName: string, { repository, revision, sizeBytes, sha256 }: Pins[string]): CatalogModel {
  const hub = { repository, revision };
  return {
    id: idOfFileName(fileName),
    title: fileName,
    licence: "unknown",
    fileName,
    sizeBytes,
    sha256,
    hub,
  };
}

/** The model that was fetched under this file name before; null when there is none. */
export async function pinnedModel(modelsDir: string, fileName: string): Promise<CatalogModel | null> {
  const pin = (await readPins(modelsDir))[fileName];
  return pin === undefined ? null : modelOf(fileName, pin);
}

/** Remembers what a file has to be. */
export async function pinModel(modelsDir: string, model: CatalogModel): Promise<void> {
  const { fileName, hub, sizeBytes, sha256 } = model;
  const pins = { ...await readPins(modelsDir), [fileName]: { ...hub, sizeBytes, sha256 } };
  await Deno.mkdir(modelsDir, { recursive: true });
  await writeFileAtomically(join(modelsDir, PINS_FILE), `${JSON.stringify(pins, null, 2)}\n`);
}

/**
 * Asks the hub what a file is now.
 *
 * The hub's answer to `HEAD` names commit, size and, of a large file, its SHA-256.
 *
 * @throws UserError when it has no such file, or cannot be reached
 */
export async function describeHubFile(
  { repository, fileName }: { repository: string; fileName: string },
  { hubUrl }: { hubUrl: string },
): Promise<CatalogModel> {
  const url = `${hubUrl}/${repository}/resolve/main/${fileName}`;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const answer = await fetch(url, { method: "HEAD", redirect: "manual", signal }).catch((error) => {
    throw new UserError(`The model hub cannot be reached (${messageOf(error)})`, { cause: error });
  });
  await answer.body?.cancel();
  if (answer.status >= 400) {
    throw new UserError(`The model hub answers with status ${answer.status} for ${repository} ${fileName}`, {
      fix: "Correct the names of repository and file",
    });
  }
  const parsed = pinSchema.safeParse({
    repository,
    revision: answer.headers.get("x-repo-commit"),
    sizeBytes: Number(answer.headers.get("x-linked-size")),
    sha256: answer.headers.get("x-linked-etag")?.replaceAll('"', ""),
  });
  if (!parsed.success) {
    throw new UserError(`The model hub does not say the SHA-256 of ${repository} ${fileName}`);
  }
  return modelOf(fileName, parsed.data);
}

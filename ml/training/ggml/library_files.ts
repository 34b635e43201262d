/** Finds ggml's shared libraries in the package of native binaries that node-llama-cpp installed. */
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TrainingError } from "../training_error.ts";

/** node-llama-cpp's packages of CPU binaries by operating system and processor; on Apple silicon it is Metal's. */
const BINARY_PACKAGES: Readonly<Record<string, string>> = {
  "linux-x86_64": "linux-x64",
  "linux-aarch64": "linux-arm64",
  "darwin-aarch64": "mac-arm64-metal",
  "darwin-x86_64": "mac-x64",
  "windows-x86_64": "win-x64",
  "windows-aarch64": "win-arm64",
};

export interface LibraryFiles {
  /** The folder that also holds the CPU backends, one for each generation of processors. */
  directory: string;
  /** Tensors, operations, graphs, GGUF. */
  base: string;
  /** The registry of backends. */
  registry: string;
  /** Models, contexts and vocabularies. */
  llama: string;
}

export interface LibraryOptions {
  /** Which of the package's builds: node-llama-cpp's name of its GPU interface. Default: the one without. */
  gpu?: string | false;
}

/** Where node-llama-cpp's package of binaries for this machine lies. */
function binariesDirectory({ gpu }: LibraryOptions): string {
  const platform = `${Deno.build.os}-${Deno.build.arch}`;
  const plainName = BINARY_PACKAGES[platform];
  if (plainName === undefined) {
    throw new TrainingError("library_unusable", `node-llama-cpp has no prebuilt library for ${platform}`);
  }
  const name = gpu && !plainName.endsWith(gpu) ? `${plainName}-${gpu}` : plainName;
  try {
    const resolve = createRequire(import.meta.resolve("node-llama-cpp")).resolve;
    const entry = pathToFileURL(resolve(`@node-llama-cpp/${name}`));
    return fileURLToPath(new URL(`../bins/${name}/`, entry));
  } catch (error) {
    throw new TrainingError(
      "library_unusable",
      `node-llama-cpp's package @node-llama-cpp/${name} is not installed`,
      { fix: "Run deno install", cause: error },
    );
  }
}

/** Finds `libNAME.so`, also with a GPU interface and a version in its name: `libggml.vulkan.v0.4.0.so`. */
export function findLibrary(directory: string, name: string): string {
  const pattern = new RegExp(
    `^(?:lib)?${name}(?:\\.(?:cuda|vulkan|metal))?(?:\\.v?[0-9]+)*\\.(?:so|dylib|dll)(?:\\.[0-9]+)*$`,
  );
  const file = [...Deno.readDirSync(directory)].map((entry) => entry.name).sort().find((name) =>
    pattern.test(name)
  );
  if (file !== undefined) return join(directory, file);
  throw new TrainingError("library_unusable", `There is no ${name} library in ${directory}`);
}

/**
 * Finds the libraries.
 *
 * @throws TrainingError `library_unusable` when they are not installed
 */
export function findLibraryFiles(options: LibraryOptions = {}): LibraryFiles {
  const directory = binariesDirectory(options);
  return {
    directory,
    base: findLibrary(directory, "ggml-base"),
    registry: findLibrary(directory, "ggml"),
    llama: findLibrary(directory, "llama"),
  };
}

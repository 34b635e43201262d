/**
 * Writes the files of a linked program into a folder, with a launcher that runs them by plain `deno` and nothing else of this
 * machine: as near as a machine gets to running the program without Deno's runtime for compiled ones.
 *
 *     deno run -A packaging/extract_program.ts PROGRAM FOLDER
 */
import { join, resolve } from "node:path";
import { writeErrorLine, writeLine } from "../lib/log.ts";
import { PROJECT_ROOT, type ServiceName, taskArguments } from "../tools/service_process.ts";
import { programName } from "./artifacts.ts";
import { nameOf, packageOf } from "./check_program.ts";
import { registryFolder } from "./package_cache.ts";
import { extractProgram, type Program, readProgram } from "./program_file.ts";

/** The part that a program is: its entry is `PART/main.ts`. */
function partOf({ metadata }: Program): ServiceName {
  const part = metadata.entrypoint_key.split("/")[0];
  if (part === "agent" || part === "server" || part === "ml") return part;
  throw new Error(`${metadata.entrypoint_key} is no entry of a program of ours`);
}

function launcher(part: ServiceName, { source, cache }: { source: string; cache: string }): string {
  const [run = "", ...options] = taskArguments(part).slice(0, -1);
  const words = [Deno.execPath(), run, "--cached-only", "--quiet", ...options, join(source, part, "main.ts")];
  return `#!/bin/sh\nDENO_DIR='${cache}' DENO_NO_UPDATE_CHECK=1 exec ${
    words.map((word) => `'${word}'`).join(" ")
  } "$@"\n`;
}

/** The import map of the program, with the packages that it holds: a plain `deno` wants all of the map in its cache. */
function importsOf(program: Program): Record<string, string> {
  const held = new Set(program.files.map(packageOf));
  const { imports } = JSON.parse(program.metadata.workspace_resolver.import_map.json);
  const names = Object.keys(imports).filter((name) => held.has(name.replace(/\/$/, "")));
  return Object.fromEntries(names.map((name) => [name, imports[name]]));
}

/** deno.lock without what only other programs ask for. */
async function lockOf(program: Program): Promise<string> {
  const held = new Set(program.files.map(packageOf));
  const { version, specifiers, npm } = JSON.parse(await Deno.readTextFile(join(PROJECT_ROOT, "deno.lock")));
  const asked = Object.entries(specifiers).filter(([wanted]) =>
    held.has(nameOf(wanted.replace(/^npm:/, "")))
  );
  return JSON.stringify({ version, specifiers: Object.fromEntries(asked), npm });
}

/** Extracts a program and returns the path of its launcher, which has the program's own name. */
export async function extractRunnable(program: Program, folder: string): Promise<string> {
  const [source, cache, part] = [join(folder, "source"), join(folder, "cache"), partOf(program)];
  await extractProgram(program, { source, packages: join(cache, "npm", await registryFolder()) });
  const { unstable, onDemand } = JSON.parse(await Deno.readTextFile(join(PROJECT_ROOT, "deno.json")));
  const config = { imports: importsOf(program), unstable, onDemand, nodeModulesDir: "none" };
  await Deno.writeTextFile(join(source, "deno.json"), JSON.stringify(config));
  // The program has the resolution of packages built in; a plain `deno` reads it from a lock file.
  await Deno.writeTextFile(join(source, "deno.lock"), await lockOf(program));
  const path = join(folder, programName(part));
  await Deno.writeTextFile(path, launcher(part, { source, cache }), { mode: 0o755 });
  // At its first start Deno writes the lock file in its own words; later the folder may be read-only.
  const { success } = await new Deno.Command(path, { args: ["--version"], stdout: "null" }).output();
  if (!success) throw new Error(`The extracted files of ${programName(part)} do not start`);
  return path;
}

if (import.meta.main) {
  const [program, folder] = Deno.args;
  if (program === undefined || folder === undefined) {
    writeErrorLine("Usage: extract_program.ts PROGRAM FOLDER");
    Deno.exit(2);
  }
  writeLine(await extractRunnable(await readProgram(program), resolve(folder)));
}

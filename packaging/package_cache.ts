/**
 * A cache of npm's packages for one build: what other platforms need, llama.cpp's history (33 MB) and source maps (swagger-ui's
 * alone take 7 MB) are not in it, so that they cannot get into a program. Deno also writes the path of some packages into the program; that of this cache says nothing
 * about the machine.
 */
import { dirname, join } from "node:path";
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { type Target, TARGETS } from "./artifacts.ts";

/** Packages for one platform each: the part of the name behind this prefix says which. */
const BY_PLATFORM = ["@node-llama-cpp/", "@reflink/reflink-"];

async function deno(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return new TextDecoder().decode(stdout);
}

/** Where Deno keeps what it downloads. */
export async function denoFolder(): Promise<string> {
  return JSON.parse(await deno("info", "--json")).denoDir;
}

/** @param path below the folder of a registry, such as `zod/4.6.7/index.js` */
function isWanted(path: string, target: Target): boolean {
  if (path.endsWith("/llama/gitRelease.bundle") || path.endsWith(".map")) return false;
  const prefix = BY_PLATFORM.find((prefix) => path.startsWith(prefix));
  // What a package says about itself stays: Deno asks for it before it decides that it does not need the package.
  if (prefix === undefined || /\/(?:package|registry)\.json$/.test(path)) return true;
  const { npm, llama } = TARGETS[target];
  const [platform = ""] = path.slice(prefix.length).split("/");
  return [llama, npm, `${npm}-gnu`].includes(platform);
}

/** A second name for a file where the disk allows that, else a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await Deno.link(from, to).catch(() => Deno.copyFile(from, to));
}

async function copyFolder(
  from: string,
  { to, path = "", target }: { to: string; path?: string; target: Target },
): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    const inside = path === "" ? name : `${path}/${name}`;
    if (isDirectory) {
      await copyFolder(join(from, name), { to: join(to, name), path: inside, target });
    } else if (isWanted(inside, target)) {
      await linkOrCopy(join(from, name), join(to, name));
    }
  }
}

/** Leaves packages for other platforms empty, so that Deno finds them and does not fetch them into the program. */
async function leaveOthersEmpty(folder: string, target: Target): Promise<void> {
  const { npm } = JSON.parse(await Deno.readTextFile(join(PROJECT_ROOT, "deno.lock")));
  for (const identity of Object.keys(npm)) {
    const [, name = "", version = ""] = /^(.+)@([\d.]+)$/.exec(identity) ?? [];
    if (isWanted(`${name}/${version}/any`, target)) continue;
    const path = join(folder, name, version, "package.json");
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, JSON.stringify({ name, version }), { createNew: true }).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
}

/** Fills `to` with the packages of Deno's own cache, whose folders have the names of registries. */
export async function copyPackages(to: string, target: Target): Promise<void> {
  const from = join(await denoFolder(), "npm");
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(join(from, name), { to: join(to, name), target });
  }
  await leaveOthersEmpty(join(to, await registryFolder()), target);
}

/** The name of the registry's folder that packages lie in, for a cache that is made by hand. */
export async function registryFolder(): Promise<string> {
  const npm = join(await denoFolder(), "npm");
  for await (const { name } of Deno.readDir(npm)) {
    if (await Deno.stat(join(npm, name, "zod")).then(() => true, () => false)) return name;
  }
  throw new Error(`There are no packages in ${dirname(npm)}: run deno install`);
}

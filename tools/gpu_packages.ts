/** Puts node-llama-cpp's Linux GPU packages back into the install, or leaves them out: `on` or `off`. */
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { PROJECT_ROOT, projectPath } from "./service_process.ts";

/** About 700 MB together; a machine without a GPU needs none of them. */
const GPU_PACKAGES = [
  "@node-llama-cpp/linux-x64-cuda",
  "@node-llama-cpp/linux-x64-cuda-ext",
  "@node-llama-cpp/linux-x64-vulkan",
];
const NOTHING = "npm:empty-npm-package@1.0.0";

/** The `overrides` of package.json with the GPU packages left out or not. */
export function overridesWith(overrides: Record<string, string>, gpu: boolean): Record<string, string> {
  const others = Object.entries(overrides).filter(([name]) => !GPU_PACKAGES.includes(name));
  const blocked = gpu ? [] : GPU_PACKAGES.map((name) => [name, NOTHING]);
  return Object.fromEntries([...others, ...blocked].toSorted());
}

/** The part of deno.lock that is read and changed here. */
export interface LockFile {
  specifiers: Record<string, string>;
  npm: Record<string, unknown>;
}

/**
 * A lock file that has forgotten how node-llama-cpp was resolved. Deno keeps a resolution that its lock file holds,
 * whatever the overrides have become; only without one does it resolve the package again.
 */
export function withoutLlamaResolution<Lock extends LockFile>(lock: Lock): Lock {
  const others = <Value>(entries: Record<string, Value>): Record<string, Value> =>
    Object.fromEntries(Object.entries(entries).filter(([name]) => !/^(?:npm:)?node-llama-cpp@/.test(name)));
  return { ...lock, specifiers: others(lock.specifiers), npm: others(lock.npm) };
}

async function changeJson<Content>(path: string, change: (content: Content) => Content): Promise<void> {
  const content = change(JSON.parse(await Deno.readTextFile(path)));
  await Deno.writeTextFile(path, `${JSON.stringify(content, null, 2)}\n`);
}

async function main(): Promise<void> {
  const wanted = Deno.args[0];
  if (wanted !== "on" && wanted !== "off") {
    throw new UserError("Say which: deno task gpu on, or deno task gpu off");
  }
  await changeJson<{ overrides: Record<string, string> }>(
    projectPath("package.json"),
    (manifest) => ({ ...manifest, overrides: overridesWith(manifest.overrides, wanted === "on") }),
  );
  await changeJson<LockFile>(projectPath("deno.lock"), withoutLlamaResolution);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "ml/main.ts"],
    cwd: PROJECT_ROOT,
  }).spawn().status;
  if (!success) throw new UserError("The packages could not be fetched; the lines above say why");
  writeLine(wanted === "on" ? "GPU packages are in; GPU=auto uses them." : "GPU packages are left out.");
}

if (import.meta.main) await runMain(main);

/**
 * Builds the programs that are shipped: agent, server and ml by `deno compile`, the menubar app by `deno desktop`. Each has
 * the permissions of its task in deno.json, and only the packages that it loads. What was linked is checked before it
 * counts as built: `check_program.ts`.
 *
 * Both commands fetch their runtime from Deno's own host, the first time; with `DENORT_BIN` they take another one. npm's
 * `deno` links as well, but what comes out then behaves as plain `deno`.
 */
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import denoJson from "../deno.json" with { type: "json" };
import { writeErrorLine, writeLine } from "../lib/log.ts";
import { CHILD_V8_FLAGS } from "../ml/process/child_process.ts";
import { PROJECT_ROOT, taskArguments } from "../tools/service_process.ts";
import { type Product, PRODUCTS, programName, type Target, TARGETS } from "./artifacts.ts";
import { faultsOf, sizeTable } from "./check_program.ts";
import { copyPackages, denoFolder } from "./package_cache.ts";
import { readProgram } from "./program_file.ts";

export interface Build {
  product: Product;
  target: Target;
  /** Absolute path of the program or the app. */
  output: string;
  /** A copy of deno.lock: a package for one platform only would be added to it. */
  lock: string;
}

const MENUBAR_ENTRY = "agent/desktop.ts";

/** The packages with the libraries of one platform have the version of the package that loads them. */
function llamaVersion(): string {
  return denoJson.imports["node-llama-cpp"].split("@").at(-1) ?? "";
}

/** What a product reads or loads by a name made at run time. */
function includesOf(product: Product, target: Target): string[] {
  const { npm, llama } = TARGETS[target];
  if (product === "server") {
    const postgres = denoJson.onDemand.embeddedPostgres.replace("{platform}", npm);
    return ["server/store/migrations", "server/dashboard/public", postgres];
  }
  return product === "ml" ? ["ml/models/texting", `npm:@node-llama-cpp/${llama}@${llamaVersion()}`] : [];
}

/** Options of `deno compile` for one product. */
function optionsOf(product: Product): string[] {
  // llama.cpp's libraries load each other by the system's own loader, which sees real files alone. All of ml's processes
  // are this one program, with one set of flags.
  return product === "ml" ? ["--self-extracting", CHILD_V8_FLAGS] : [];
}

/** The arguments of `deno` for a build. It runs in the project's root. */
export function buildArguments({ product, target, output, lock }: Build): string[] {
  const task = taskArguments(product === "menubar" ? "agent" : product);
  const [permissions, entry] = [task.slice(1, -1), task.at(-1) ?? ""];
  return [
    ...(product === "menubar" ? ["desktop", "--backend", "webview"] : ["compile"]),
    ...permissions,
    ...optionsOf(product),
    // Without it every package of the project would be embedded, the model's runtime included: 135 MB, not 16.
    "--exclude-unused-npm",
    ...includesOf(product, target).flatMap((path) => ["--include", path]),
    ...["--target", target, "--lock", lock, "--output", output],
    product === "menubar" ? MENUBAR_ENTRY : entry,
  ];
}

/** Links one product, its output shown as it comes. Returns Deno's exit code. */
export async function link(options: Omit<Build, "lock">, env: Record<string, string> = {}): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "compile-" });
  try {
    const [lock, cache] = [join(folder, "deno.lock"), join(folder, "cache")];
    await Deno.copyFile(join(PROJECT_ROOT, "deno.lock"), lock);
    await copyPackages(join(cache, "npm"), options.target);
    await Deno.mkdir(dirname(options.output), { recursive: true });
    const args = buildArguments({ ...options, lock });
    const command = { args, cwd: PROJECT_ROOT, env: { DENO_DIR: cache, ...env } };
    return (await new Deno.Command(Deno.execPath(), command).spawn().status).code;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Builds one product. Returns an exit code; a program that holds what it must not is removed. */
async function build(options: Omit<Build, "lock">): Promise<number> {
  const code = await link(options);
  if (code !== 0 || options.product === "menubar") return code;
  const program = await readProgram(options.output);
  for (const line of sizeTable(program)) writeLine(line);
  const privatePlaces = [PROJECT_ROOT, await denoFolder()];
  const faults = faultsOf(program, { ...options, privatePlaces });
  for (const fault of faults) writeErrorLine(fault);
  if (faults.length > 0) await Deno.remove(options.output);
  return faults.length > 0 ? 1 : 0;
}

const USAGE = `Usage: deno task compile ${PRODUCTS.join("|")} [--output PATH] [--target ${
  Object.keys(TARGETS).join("|")
}]
Without --output the program is written to data/dist/PLATFORM.`;

/** The target of an image, which Docker names `amd64` or `arm64`. */
function imageTarget(architecture: string): string {
  const platform = `linux-${architecture === "amd64" ? "x64" : architecture}`;
  return Object.entries(TARGETS).find(([, { name }]) => name === platform)?.[0] ?? architecture;
}

function buildOf(args: string[]): Omit<Build, "lock"> | null {
  const { values, positionals } = parseArgs({
    args,
    options: {
      "target": { type: "string" },
      "docker-arch": { type: "string" },
      "output": { type: "string" },
    },
    allowPositionals: true,
  });
  const { "docker-arch": architecture, output } = values;
  const name = architecture === undefined ? values.target ?? Deno.build.target : imageTarget(architecture);
  const product = PRODUCTS.find((known) => known === positionals[0]);
  if (product === undefined || positionals.length > 1 || !Object.hasOwn(TARGETS, name)) return null;
  const target = name as Target;
  const folder = join(PROJECT_ROOT, "data", "dist", TARGETS[target].name);
  return { product, target, output: resolve(output ?? join(folder, programName(product))) };
}

if (import.meta.main) {
  const wanted = buildOf(Deno.args);
  if (wanted === null) writeErrorLine(USAGE);
  Deno.exit(wanted === null ? 2 : await build(wanted));
}

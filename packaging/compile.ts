/**
 * Builds the programs that are shipped: the agent and the server by `deno compile`, the menubar app by
 * `deno desktop`. Each has the permissions of its task in deno.json, and only the packages that it loads.
 *
 * Both commands fetch their runtime from Deno's own host, the first time.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import denoJson from "../deno.json" with { type: "json" };
import { writeErrorLine } from "../lib/log.ts";
import { PROJECT_ROOT, taskArguments } from "../tools/service_process.ts";

export const PRODUCTS = ["agent", "server", "menubar"] as const;
export type Product = typeof PRODUCTS[number];

/** What Deno can build for, and what npm calls the same platform. */
export const TARGETS = {
  "aarch64-apple-darwin": "darwin-arm64",
  "x86_64-apple-darwin": "darwin-x64",
  "aarch64-unknown-linux-gnu": "linux-arm64",
  "x86_64-unknown-linux-gnu": "linux-x64",
  "x86_64-pc-windows-msvc": "windows-x64",
} as const;
export type Target = keyof typeof TARGETS;

export interface Build {
  product: Product;
  target: Target;
  /** Absolute path of the program or the app. */
  output: string;
  /** A copy of deno.lock: a package for one platform only would be added to it. */
  lock: string;
}

const MENUBAR_ENTRY = "agent/desktop.ts";

/** What the server reads or loads by a name made at run time. */
function serverIncludes(target: Target): string[] {
  const postgres = denoJson.onDemand.embeddedPostgres.replace("{platform}", TARGETS[target]);
  return ["server/store/migrations", "server/dashboard/public", postgres].flatMap((
    path,
  ) => ["--include", path]);
}

/** The arguments of `deno` for a build. It runs in the project's root. */
export function buildArguments({ product, target, output, lock }: Build): string[] {
  const task = taskArguments(product === "menubar" ? "agent" : product);
  const [permissions, entry] = [task.slice(1, -1), task.at(-1) ?? ""];
  return [
    ...(product === "menubar" ? ["desktop", "--backend", "webview"] : ["compile"]),
    ...permissions,
    // Without it every package of the project would be embedded, the model's runtime included: 135 MB, not 16.
    "--exclude-unused-npm",
    ...(product === "server" ? serverIncludes(target) : []),
    ...["--target", target, "--lock", lock, "--output", output],
    product === "menubar" ? MENUBAR_ENTRY : entry,
  ];
}

/** Builds one product, its output shown as it comes. Returns Deno's exit code. */
export async function build(options: Omit<Build, "lock">): Promise<number> {
  const lock = await Deno.makeTempFile({ prefix: "compile-", suffix: ".lock" });
  try {
    await Deno.copyFile(join(PROJECT_ROOT, "deno.lock"), lock);
    const args = buildArguments({ ...options, lock });
    return (await new Deno.Command(Deno.execPath(), { args, cwd: PROJECT_ROOT }).spawn().status).code;
  } finally {
    await Deno.remove(lock);
  }
}

const USAGE = `Usage: compile.ts ${PRODUCTS.join("|")} --output PATH [--target ${
  Object.keys(TARGETS).join("|")
}]`;

function buildOf(args: string[]): Omit<Build, "lock"> | null {
  const { values, positionals } = parseArgs({
    args,
    options: { target: { type: "string" }, output: { type: "string" } },
    allowPositionals: true,
  });
  const { target = Deno.build.target, output } = values;
  const product = PRODUCTS.find((known) => known === positionals[0]);
  if (product === undefined || output === undefined || positionals.length > 1) return null;
  return Object.hasOwn(TARGETS, target)
    ? { product, target: target as Target, output: resolve(output) }
    : null;
}

if (import.meta.main) {
  const wanted = buildOf(Deno.args);
  if (wanted === null) writeErrorLine(USAGE);
  Deno.exit(wanted === null ? 2 : await build(wanted));
}

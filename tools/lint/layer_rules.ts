/** The layer rules of the code base as data: where each file stands, what it may import, who may use what. */

/** The layers from the bottom up: a file may import from its own layer and from those before it. */
const LAYERS = [
  "contract",
  "deps",
  "lib",
  "config",
  "capability",
  "service",
  "route",
  "app",
  "context",
  "main",
] as const;

type Layer = typeof LAYERS[number];

/** The parts of the program that meet in contract/ and lib/ only. */
type Part = "server" | "ml" | "agent" | "dashboard";

/** Where a file stands: `shared` code serves every part, `free` code (tests, tools, benches) serves none. */
export type Place = { readonly layer: Layer; readonly part: Part | "shared" } | { readonly part: "free" };

/** A broken rule and why it is one. */
export interface Breach {
  readonly rule: string;
  readonly why: string;
}

/** Folders whose code may import anything and which nothing else may import. */
const FREE_FOLDERS = ["tests", "tools", "bench", "research", "demo", "packaging"];

/** Tests, benches, and suites of tests that several test files run. */
const FREE_FILE = /_(?:test|bench|suite)\.tsx?$/;

/** The layer of each folder, subfolder where it differs, and root file inside server/, ml/ and agent/. */
const PART_LAYERS: Readonly<Record<"server" | "ml" | "agent", Readonly<Record<string, Layer>>>> = {
  server: {
    "store": "capability",
    "clients": "capability",
    "auth": "capability",
    "services": "service",
    "routes": "route",
    "backup.ts": "main",
    "cli.ts": "main",
  },
  ml: {
    "engine": "capability",
    "cache": "capability",
    "models": "capability",
    "process": "capability",
    "training": "capability",
    "services": "service",
    "routes": "route",
    "cli": "app",
    "ml.ts": "main",
  },
  agent: {
    "chatdb": "capability",
    "contacts": "capability",
    "platform": "capability",
    "state": "capability",
    "clients": "capability",
    "sync": "service",
    "pairing": "service",
    "run": "service",
    "doctor": "service",
    "service": "service",
    "suggest": "service",
    "cli": "app",
    "menubar": "route",
    "menubar/host": "app",
    "desktop.ts": "main",
  },
};

const COMMON_LAYERS: Readonly<Record<string, Layer>> = {
  "config.ts": "config",
  "app.ts": "app",
  "context.ts": "context",
  "main.ts": "main",
};

/** The only places that may import a package, each with its subpaths; every package of deno.json has a home. */
export const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  "drizzle-orm": ["server/store/"],
  "pg": ["server/store/"],
  "node:sqlite": ["agent/chatdb/", "agent/contacts/", "agent/state/"],
  "node-llama-cpp": ["ml/engine/"],
  "hono": ["deps.ts"],
  "@hono/zod-openapi": ["deps.ts"],
  "swagger-ui-dist": ["lib/"],
  "jose": ["deps.ts"],
  "libphonenumber-js": ["agent/contacts/"],
  "lru-cache": ["ml/cache/"],
  "preact": ["server/dashboard/"],
  "@preact/signals": ["server/dashboard/"],
  "uplot": ["server/dashboard/"],
  "zod": ["deps.ts", "contract/", "lib/", "agent/", "ml/training/", "server/dashboard/"],
  "@types/cli-progress": ["lib/"],
  "@types/pg": ["server/store/"],
  "@types/ws": ["lib/"],
  "age-encryption": ["server/store/backup/", "server/backup.ts"],
  "cli-progress": ["lib/"],
  "commander": ["agent/cli/", "server/cli.ts", "ml/cli/"],
  "eventsource-parser": ["lib/"],
  "fflate": ["ml/models/", "server/services/"],
  "@opentelemetry/api": ["lib/"],
  "prom-client": ["lib/"],
  "ws": ["lib/"],
  "fast-check": [],
  "openai": [],
  "axe-core": [],
  "playwright-core": [],
};

/** The only files that may use a global: folders, or the name of a file in any folder. */
const GLOBAL_HOMES: Readonly<Record<string, readonly string[]>> = {
  "Deno.env": ["config.ts"],
  "process.env": ["config.ts"],
  "Deno.openKv": ["context.ts"],
  "Deno.dlopen": ["ml/training/ggml/", "ml/engine/libllama/"],
};

/** The only files that may import a module whose name is made at run time: the binaries of one platform. */
const COMPUTED_IMPORT_HOMES = ["server/store/postgres/binaries.ts"];

/** Finds where a file stands by its path from the root; undefined when no rule names the place. */
export function placeOf(path: string): Place | undefined {
  const [top = "", inside = "", deeper] = path.split("/");
  if (FREE_FOLDERS.includes(top) || FREE_FILE.test(path)) return { part: "free" };
  if (path === "deps.ts") return { part: "shared", layer: "deps" };
  if (top === "contract" || top === "lib") return { part: "shared", layer: top };
  if (top !== "server" && top !== "ml" && top !== "agent") return undefined;
  if (top === "server" && inside === "dashboard") return { part: "dashboard", layer: "route" };
  const layer = PART_LAYERS[top][`${inside}/${deeper}`] ?? PART_LAYERS[top][inside] ??
    (deeper === undefined ? COMMON_LAYERS[inside] : undefined);
  return layer && { part: top, layer };
}

/** Judges one file importing another of ours. */
export function judgeImport(from: string, to: string): Breach | undefined {
  const [source, target] = [placeOf(from), placeOf(to)];
  if (source === undefined || target === undefined || source.part === "free") return undefined;
  if (target.part === "free") {
    return { rule: "test-code", why: `${to} serves tests and tools; the program may not import it` };
  }
  if (source.layer === "contract" && target.layer !== "contract") {
    return { rule: "layer", why: `contract/ imports zod and nothing of ours, not ${to}` };
  }
  if (target.part !== "shared" && target.part !== source.part) {
    return {
      rule: "part",
      why: `${source.part} and ${target.part} meet in contract/ and lib/ only, not in ${to}`,
    };
  }
  if (source.layer === "route" && to.startsWith("server/store/")) {
    return { rule: "layer", why: `a route reaches storage through a service, not through ${to}` };
  }
  if (LAYERS.indexOf(target.layer) > LAYERS.indexOf(source.layer)) {
    return { rule: "layer", why: `${source.layer} code may not import ${target.layer} code (${to})` };
  }
  return undefined;
}

/** Judges one file importing a package or builtin. */
export function judgePackage(from: string, specifier: string): Breach | undefined {
  if (/^(?:npm|jsr|https?|data|blob|file):/.test(specifier)) {
    return { rule: "import-map", why: `${specifier}: only deno.json names registries and versions` };
  }
  if (placeOf(from)?.part === "free") return undefined;
  const name = Object.keys(PACKAGE_HOMES).find((name) =>
    specifier === name || specifier.startsWith(`${name}/`)
  );
  const homes = name === undefined ? undefined : PACKAGE_HOMES[name];
  if (homes === undefined || homes.some((home) => from.startsWith(home))) return undefined;
  const where = homes.length === 0 ? "tests only" : `${homes.join(" and ")} only`;
  return { rule: "package", why: `${specifier} is for ${where}` };
}

/** Judges a dynamic import without a literal name. */
export function judgeComputedImport(from: string): Breach | undefined {
  if (placeOf(from)?.part === "free" || COMPUTED_IMPORT_HOMES.includes(from)) return undefined;
  return { rule: "computed-import", why: "name the module in a literal, so that it is checked" };
}

/** Judges one use of a guarded global. */
export function judgeGlobal(from: string, name: string): Breach | undefined {
  const homes = GLOBAL_HOMES[name];
  if (homes === undefined || placeOf(from)?.part === "free") return undefined;
  const isAtHome = homes.some((home) =>
    home.endsWith("/") ? from.startsWith(home) : `/${from}`.endsWith(`/${home}`)
  );
  return isAtHome ? undefined : { rule: "global", why: `${name} is for ${homes.join(" and ")} only` };
}

/** Tests of the layer check: each planted violation is reported, and the repository itself has none. */

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkLayers, importGraph, readModules } from "./check_layers.ts";
import { PACKAGE_HOMES } from "./layer_rules.ts";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));

/** Writes a tree of source files to a temporary folder and checks it; reports come as "file:line rule". */
async function checkTree(files: Record<string, string>): Promise<string[]> {
  const root = await Deno.makeTempDir({ prefix: "layers_" });
  try {
    for (const [path, source] of Object.entries(files)) {
      await Deno.mkdir(join(root, dirname(path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), source);
    }
    return (await checkLayers(root)).map(({ file, line, rule }) => `${file}:${line} ${rule}`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** One planted violation: what it breaks, the file it stands in, its source, and the report expected. */
const PLANTED: readonly { breaks: string; file: string; source: string; report: string }[] = [
  {
    breaks: "contract imports nothing of ours but contract",
    file: "contract/a.ts",
    source: 'import { b } from "../lib/b.ts";',
    report: "contract/a.ts:1 layer",
  },
  {
    breaks: "contract does not import deps.ts",
    file: "contract/a.ts",
    source: '// one\nimport { z } from "../deps.ts";',
    report: "contract/a.ts:2 layer",
  },
  {
    breaks: "lib does not import a service part",
    file: "lib/a.ts",
    source: 'import type { Store } from "../server/store/store.ts";',
    report: "lib/a.ts:1 part",
  },
  {
    breaks: "a store does not import a service",
    file: "server/store/a.ts",
    source: 'import { s } from "../services/s.ts";',
    report: "server/store/a.ts:1 layer",
  },
  {
    breaks: "a service does not import a route, even by a re-export",
    file: "ml/services/a.ts",
    source: 'export * from "../routes/r.ts";',
    report: "ml/services/a.ts:1 layer",
  },
  {
    breaks: "a route does not import the app",
    file: "server/routes/a.ts",
    source: 'import "../app.ts";',
    report: "server/routes/a.ts:1 layer",
  },
  {
    breaks: "a route does not import the store",
    file: "server/routes/a.ts",
    source: 'import {\n  rows,\n} from "../store/rows.ts";',
    report: "server/routes/a.ts:3 layer",
  },
  {
    breaks: "the app does not import the context",
    file: "ml/app.ts",
    source: 'const { c } = await import("./context.ts");',
    report: "ml/app.ts:1 layer",
  },
  {
    breaks: "the context does not import main",
    file: "agent/context.ts",
    source: 'type Main = typeof import("./main.ts");',
    report: "agent/context.ts:1 layer",
  },
  {
    breaks: "the agent does not import the server",
    file: "agent/sync/a.ts",
    source: 'import { s } from "../../server/services/s.ts";',
    report: "agent/sync/a.ts:1 part",
  },
  {
    breaks: "the dashboard does not import the server",
    file: "server/dashboard/a.tsx",
    source: 'import { s } from "../services/s.ts";',
    report: "server/dashboard/a.tsx:1 part",
  },
  {
    breaks: "the program does not import tests",
    file: "lib/a.ts",
    source: 'import { t } from "../tests/support/t.ts";',
    report: "lib/a.ts:1 test-code",
  },
  {
    breaks: "the program does not import a test file beside it",
    file: "lib/a.ts",
    source: 'import { t } from "./t_test.ts";',
    report: "lib/a.ts:1 test-code",
  },
  {
    breaks: "SQL packages stay in the store",
    file: "server/services/a.ts",
    source: 'import { eq } from "drizzle-orm";',
    report: "server/services/a.ts:1 package",
  },
  {
    breaks: "a subpath counts as its package",
    file: "server/context.ts",
    source: 'import { drizzle } from "drizzle-orm/postgres-js";',
    report: "server/context.ts:1 package",
  },
  {
    breaks: "node:sqlite stays in the readers of Apple's databases",
    file: "agent/sync/a.ts",
    source: 'import { DatabaseSync } from "node:sqlite";',
    report: "agent/sync/a.ts:1 package",
  },
  {
    breaks: "node-llama-cpp stays in the engine",
    file: "ml/services/a.ts",
    source: 'import type { Llama } from "node-llama-cpp";',
    report: "ml/services/a.ts:1 package",
  },
  {
    breaks: "Hono comes through deps.ts",
    file: "server/routes/a.ts",
    source: 'import { Hono } from "hono";',
    report: "server/routes/a.ts:1 package",
  },
  {
    breaks: "test packages stay in tests",
    file: "contract/a.ts",
    source: 'import fc from "fast-check";',
    report: "contract/a.ts:1 package",
  },
  {
    breaks: "no version outside deno.json",
    file: "tests/a_test.ts",
    source: 'import { z } from "npm:zod@4";',
    report: "tests/a_test.ts:1 import-map",
  },
  {
    breaks: "no import from the web",
    file: "lib/a.ts",
    source: 'import { a } from "https://example.com/a.ts";',
    report: "lib/a.ts:1 import-map",
  },
  {
    breaks: "Deno.env stays in config.ts",
    file: "server/services/a.ts",
    source: "const port = `${\n  Deno\n    .env.get('PORT')}`;",
    report: "server/services/a.ts:2 global",
  },
  {
    breaks: "process.env is Deno.env by another name",
    file: "lib/a.ts",
    source: "process.env.PORT;",
    report: "lib/a.ts:1 global",
  },
  {
    breaks: "Deno.openKv stays in context.ts",
    file: "lib/jobs/job_queue.ts",
    source: "await Deno.openKv(path);",
    report: "lib/jobs/job_queue.ts:1 global",
  },
  {
    breaks: "FFI stays in ml/training/ggml/",
    file: "ml/engine/a.ts",
    source: "Deno.dlopen(path, {});",
    report: "ml/engine/a.ts:1 global",
  },
  {
    breaks: "an import names its module in a literal",
    file: "ml/engine/a.ts",
    source: "await import(name);",
    report: "ml/engine/a.ts:1 computed-import",
  },
  {
    breaks: "every file has a place",
    file: "server/misc/a.ts",
    source: "export {};",
    report: "server/misc/a.ts:1 place",
  },
  {
    breaks: "every root folder has a place",
    file: "src/a.ts",
    source: "export {};",
    report: "src/a.ts:1 place",
  },
  {
    breaks: "a file does not import itself",
    file: "lib/a.ts",
    source: 'import * as self from "./a.ts";',
    report: "lib/a.ts:1 cycle",
  },
];

for (const { breaks, file, source, report } of PLANTED) {
  Deno.test(`the layer check enforces: ${breaks}`, async () => {
    assert.deepEqual(await checkTree({ [file]: source }), [report]);
  });
}

Deno.test("the layer check names a cycle of type imports once, by its shortest walk", async () => {
  const root = await Deno.makeTempDir({ prefix: "layers_" });
  try {
    await Deno.mkdir(join(root, "tests"));
    await Deno.writeTextFile(join(root, "tests/a.ts"), 'import "./c.ts";\nimport { b } from "./b.ts";');
    await Deno.writeTextFile(join(root, "tests/b.ts"), 'import type { A } from "./a.ts";');
    await Deno.writeTextFile(join(root, "tests/c.ts"), 'export { b } from "./b.ts";');
    assert.deepEqual(await checkLayers(root), [
      { file: "tests/a.ts", line: 2, rule: "cycle", why: "tests/a.ts -> tests/b.ts -> tests/a.ts" },
    ]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("the layer check accepts a tree that keeps the rules", async () => {
  const reports = await checkTree({
    "contract/sync.ts": 'import { z } from "zod";\nexport const sync = z;',
    "deps.ts": 'export { Hono } from "hono";\nexport { z } from "zod";',
    "lib/config.ts": "export const env = Deno.env.toObject();",
    "lib/http/app.ts":
      'import { Hono } from "../../deps.ts";\nimport { sync } from "../../contract/sync.ts";',
    "server/config.ts": 'import { env } from "../lib/config.ts";\nDeno.env.get("X");',
    "server/store/rows.ts": 'import postgres from "postgres";\nimport { sql } from "drizzle-orm";',
    "server/store/postgres/binaries.ts": "await import(name);",
    "server/services/rows.ts": 'import { rows } from "../store/rows.ts";',
    "server/auth/token.ts": 'import type { rows } from "../store/rows.ts";',
    "server/routes/rows.ts":
      'import { r } from "../services/rows.ts";\nimport { token } from "../auth/token.ts";',
    "server/app.ts": 'import { routes } from "./routes/rows.ts";',
    "server/context.ts": 'import { rows } from "./store/rows.ts";\nawait Deno.openKv("kv");',
    "server/main.ts": 'import { app } from "./app.ts";\nimport { context } from "./context.ts";',
    "server/store/rows_test.ts": 'import { app } from "../app.ts";\nDeno.env.get("X");\nawait import(name);',
    "agent/chatdb/reader.ts": 'import { DatabaseSync } from "node:sqlite";',
    "ml/engine/llama/llama.ts": 'const llama = await import("node-llama-cpp");',
    "ml/training/ggml/library.ts": "Deno.dlopen(path, {});",
    "data/downloaded.ts": 'import "npm:anything";',
  });
  assert.deepEqual(reports, []);
});

Deno.test("the layer check reads neither comments nor strings as code", async () => {
  const reports = await checkTree({
    "lib/a.ts": `
      // import "npm:a"; Deno.env
      /* import "npm:b"; */
      const text = 'import "npm:c"; Deno.env' + "it's \\" Deno.env";
      const template = \`import "npm:d"; Deno.env \${ { a: "}" }.a } Deno.env\`;
      const pattern = /["'\`]Deno.env[/"]/.test(text) ? 6 / 3 / 2 : text.length / 2;
      const store = { import(from: string) { return from; }, export: 1 };
      store.import("npm:e");
    `,
  });
  assert.deepEqual(reports, []);
});

Deno.test("every package of deno.json has a home, and every home a package", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(REPOSITORY, "deno.json")));
  const homed = Object.keys(PACKAGE_HOMES).filter((name) => !name.startsWith("node:"));
  assert.deepEqual(homed.sort(), Object.keys(imports).sort());
});

Deno.test("this repository keeps the layer rules", async () => {
  assert.deepEqual(await checkLayers(REPOSITORY), []);
});

Deno.test("the layer check sees the same imports in this repository as Deno's own parser", async () => {
  const modules = await readModules(REPOSITORY);
  const parsed = await denoGraph([...modules.keys()]);
  assert.ok(modules.has("tools/check_layers.ts"));
  for (const [file, targets] of importGraph(modules)) {
    assert.deepEqual(new Set(targets), parsed.get(file), file);
  }
});

/** The local imports of each file by `deno info`, through one temporary module that imports them all. */
async function denoGraph(files: readonly string[]): Promise<Map<string, Set<string>>> {
  const base = new URL("..", import.meta.url).href;
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(entry, files.map((file) => `import "${new URL(file, base)}";`).join("\n"));
    const info = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", join(REPOSITORY, "deno.json"), entry],
    }).output();
    const graph: DenoInfo = JSON.parse(new TextDecoder().decode(info.stdout));
    return new Map(graph.modules.map(({ specifier, dependencies = [] }) => [
      specifier.replace(base, ""),
      new Set(dependencies.flatMap((dependency) => localTarget(dependency, base))),
    ]));
  } finally {
    await Deno.remove(entry);
  }
}

/** The part of `deno info --json` that this test reads. */
interface DenoInfo {
  modules: { specifier: string; dependencies?: DenoDependency[] }[];
}

interface DenoDependency {
  code?: { specifier?: string };
  type?: { specifier?: string };
}

/** Data files (JSON) are no modules of the layer check. */
function localTarget({ code, type }: DenoDependency, base: string): string[] {
  const target = code?.specifier ?? type?.specifier ?? "";
  return target.startsWith(base) && !target.endsWith(".json") ? [target.replace(base, "")] : [];
}

/** Tests of the layer rules as a lint rule: each planted breach is reported, and no more than that. */

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCycles } from "../check_cycles.ts";
import { PACKAGE_HOMES } from "./layer_rules.ts";
import plugin from "./plugin.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** Lints one file by the layer rules alone; reports come as "file:line rule". */
function layerReports(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).filter(({ id }) => id === "style/layers")
    .map(({ message, range }) => {
      const line = source.slice(0, range[0]).split("\n").length;
      return `${file}:${line} ${message.split(":")[0]}`;
    });
}

/** Writes a tree of source files to a temporary folder and finds its cycles. */
async function cyclesOf(files: Record<string, string>): Promise<string[][]> {
  const root = await Deno.makeTempDir({ prefix: "cycles_" });
  try {
    for (const [path, source] of Object.entries(files)) {
      await Deno.mkdir(join(root, dirname(path)), { recursive: true });
      await Deno.writeTextFile(join(root, path), source);
    }
    return await findCycles(root);
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
    source: 'import { drizzle } from "drizzle-orm/node-postgres";',
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
];

for (const { breaks, file, source, report } of PLANTED) {
  Deno.test(`the layer rules say: ${breaks}`, () => {
    assert.deepEqual(layerReports(file, source), [report]);
  });
}

Deno.test("a cycle of type imports is named once, by its shortest path", async () => {
  const cycles = await cyclesOf({
    "tests/a.ts": 'import "./c.ts";\nimport { b } from "./b.ts";',
    "tests/b.ts": 'import type { A } from "./a.ts";',
    "tests/c.ts": 'export { b } from "./b.ts";',
  });
  assert.deepEqual(cycles, [["tests/a.ts", "tests/b.ts"]]);
});

Deno.test("a file that imports itself is a cycle, and a tree without one has none", async () => {
  assert.deepEqual(await cyclesOf({ "lib/a.ts": 'import * as self from "./a.ts";' }), [["lib/a.ts"]]);
  assert.deepEqual(await cyclesOf({ "lib/a.ts": 'import "./b.ts";', "lib/b.ts": "export {};" }), []);
});

Deno.test("this repository has no import cycles", async () => {
  assert.deepEqual(await findCycles(REPOSITORY), []);
});

Deno.test("a tree that keeps the layer rules has no reports", () => {
  const files: Record<string, string> = {
    "contract/sync.ts": 'import { z } from "zod";\nexport const sync = z;',
    "deps.ts": 'export { Hono } from "hono";\nexport { z } from "zod";',
    "lib/config.ts": "export const env = Deno.env.toObject();",
    "lib/http/app.ts":
      'import { Hono } from "../../deps.ts";\nimport { sync } from "../../contract/sync.ts";',
    "server/config.ts": 'import { env } from "../lib/config.ts";\nDeno.env.get("X");',
    "server/store/rows.ts": 'import pg from "pg";\nimport { sql } from "drizzle-orm";',
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
  };
  for (const [file, source] of Object.entries(files)) assert.deepEqual(layerReports(file, source), []);
});

Deno.test("neither comments nor strings count as code", () => {
  const source = `
      // import "npm:a"; Deno.env
      /* import "npm:b"; */
      const text = 'import "npm:c"; Deno.env' + "it's \\" Deno.env";
      const template = \`import "npm:d"; Deno.env \${ { a: "}" }.a } Deno.env\`;
      const pattern = /["'\`]Deno.env[/"]/.test(text) ? 6 / 3 / 2 : text.length / 2;
      const store = { import(from: string) { return from; }, export: 1 };
      store.import("npm:e");
    `;
  assert.deepEqual(layerReports("lib/a.ts", source), []);
});

Deno.test("every package of deno.json has a home, and every home a package", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(join(REPOSITORY, "deno.json")));
  const homed = Object.keys(PACKAGE_HOMES).filter((name) => !name.startsWith("node:"));
  assert.deepEqual(homed.sort(), Object.keys(imports).sort());
});

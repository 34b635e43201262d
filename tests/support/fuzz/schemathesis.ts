/** Installs schemathesis into a folder of its own and runs it against a service's OpenAPI document. */
import { dirname, join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { writeLine } from "../../../lib/log.ts";
import { projectPath } from "../../../tools/service_process.ts";
import type { FuzzedService } from "./fuzzed_services.ts";

/** Ignored by git. */
const FUZZ_DIR = projectPath("data", "fuzz");
const PYTHON = join(FUZZ_DIR, "bin", "python");
const PACKAGE = "schemathesis==4.32.5";

const PHASES = "examples,coverage,fuzzing,stateful";
const CHECKS =
  "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/** Of an answer as a whole; an event stream is read until then and what came is checked. */
const REQUEST_TIMEOUT_SECONDS = 30;

export interface FuzzOptions {
  readonly seed: number;
  /** Most generated requests of each operation in a phase. */
  readonly maxExamples: number;
  /** Added to the environment, for the hooks. */
  readonly env: Record<string, string>;
}

/** Runs a program in the folder, so that what it leaves stays there. */
async function run(args: readonly string[], env: Record<string, string> = {}): Promise<boolean> {
  const [program = "", ...rest] = args;
  return (await new Deno.Command(program, { args: rest, env, cwd: FUZZ_DIR }).spawn().status).success;
}

async function isInstalled(): Promise<boolean> {
  const [name, version] = PACKAGE.split("==");
  const check =
    `import sys; from importlib.metadata import version; sys.exit(version("${name}") != "${version}")`;
  try {
    const { success } = await new Deno.Command(PYTHON, { args: ["-c", check], stderr: "null" }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Installs it with pip; what is there already stays. */
export async function installSchemathesis(): Promise<void> {
  if (await isInstalled()) return;
  writeLine(`Installing ${PACKAGE} into ${FUZZ_DIR}`);
  await Deno.mkdir(FUZZ_DIR, { recursive: true });
  const pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
  if (!await run(["python3", "-m", "venv", FUZZ_DIR]) || !await run(pip)) {
    throw new UserError("Schemathesis could not be installed", {
      fix: "It needs Python 3.10 or later with venv and pip, and a package index",
    });
  }
}

/** Fuzzes a service. Returns false when there are findings, which stand on the terminal and in `data/fuzz/reports`. */
export async function fuzz(service: FuzzedService, options: FuzzOptions): Promise<boolean> {
  const report = join(FUZZ_DIR, "reports", `${service.name}.json`);
  await Deno.mkdir(dirname(report), { recursive: true });
  return await run([
    PYTHON,
    "-m",
    "schemathesis.cli",
    "run",
    `${service.url}/openapi.json`,
    ...["--header", `Authorization: Bearer ${service.token}`],
    ...["--phases", PHASES, "--checks", CHECKS, "--continue-on-failure", "--no-color"],
    ...["--seed", String(options.seed), "--max-examples", String(options.maxExamples)],
    ...["--request-timeout", String(REQUEST_TIMEOUT_SECONDS)],
    ...["--generation-database", "none", "--report-json-path", report],
  ], {
    SCHEMATHESIS_HOOKS: projectPath("tests", "support", "fuzz", "hooks.py"),
    FUZZ_IDS: JSON.stringify(service.ids),
    ...options.env,
  });
}

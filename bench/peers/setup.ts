/**
 * Installs the tools that training is measured against, into `data/peers`, which git ignores.
 *
 * `deno run -A bench/peers/setup.ts`: PyTorch, transformers and PEFT by pip into an environment of their own (about
 * 6 GB, Python 3.10 or later), the small model converted for them, and `llama-finetune` built by cmake from the source
 * that node-llama-cpp's package carries. What is there already stays. `training_bench.ts` measures the peers it finds.
 */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { StartError } from "../../lib/lifecycle.ts";
import { writeLine } from "../../lib/log.ts";
import { fetchSmallModel } from "../../tests/support/small_model.ts";
import { PROJECT_ROOT, projectPath } from "../../tools/service_process.ts";
import { FINETUNE, PEERS_DIR, PEFT_PYTHON, PEFT_SCRIPT } from "./peer_paths.ts";

async function run(program: string, args: readonly string[]): Promise<void> {
  writeLine(`${program} ${args.join(" ")}`);
  const { success } = await new Deno.Command(program, { args: [...args], cwd: PROJECT_ROOT }).spawn().status;
  if (!success) throw new StartError(`${program} failed: see above`);
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function installPeft(): Promise<void> {
  if (!isThere(PEFT_PYTHON)) {
    await run("python3", ["-m", "venv", dirname(dirname(PEFT_PYTHON))]);
    await run(PEFT_PYTHON, ["-m", "pip", "install", "-r", projectPath("bench/peers/requirements.txt")]);
  }
  const { path } = await fetchSmallModel();
  await run(PEFT_PYTHON, [PEFT_SCRIPT, "--model", path]);
}

/** Builds with the processor's own instructions, as a person who builds it does. */
async function buildFinetune(): Promise<void> {
  if (isThere(FINETUNE)) return;
  const source = join(PEERS_DIR, "llama.cpp");
  const entry = createRequire(import.meta.url).resolve("node-llama-cpp");
  await run("git", ["clone", join(dirname(dirname(entry)), "llama/gitRelease.bundle"), source]);
  const settings = [
    "CMAKE_BUILD_TYPE=Release",
    "LLAMA_CURL=OFF",
    "LLAMA_OPENSSL=OFF",
    "LLAMA_BUILD_TESTS=OFF",
  ];
  const build = join(source, "build");
  await run("cmake", ["-S", source, "-B", build, ...settings.map((setting) => `-D${setting}`)]);
  await run("cmake", ["--build", build, "--target", "llama-finetune", "-j", `${availableParallelism()}`]);
}

await installPeft();
await buildFinetune();
writeLine(`The peers lie in ${PEERS_DIR}`);

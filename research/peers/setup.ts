/**
 * Installs the tools that training is measured against, into `data/peers`, which git ignores.
 *
 * `deno run -A research/peers/setup.ts`: PyTorch, transformers and PEFT by pip into an environment of their own (about
 * 6 GB, Python 3.10 or later), the small model converted for them, and `llama-finetune` built by cmake from the source
 * that node-llama-cpp's package carries. What is there already stays. `training_bench.ts` measures the peers it finds.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { PROJECT_ROOT, projectPath } from "../../tools/service_process.ts";
import {
  FINETUNE,
  FINETUNE_MODEL,
  LLAMA_SOURCE,
  PEERS_DIR,
  PEFT_MODELS,
  PEFT_PYTHON,
  PEFT_SCRIPT,
  QUANTIZE,
} from "./peer_paths.ts";

async function run(program: string, args: readonly string[]): Promise<void> {
  writeLine(`${program} ${args.join(" ")}`);
  const { success } = await new Deno.Command(program, { args: [...args], cwd: PROJECT_ROOT }).spawn().status;
  if (!success) throw new UserError(`${program} failed: see above`);
}

async function installPeft(modelPath: string): Promise<void> {
  if (!existsSync(PEFT_PYTHON)) {
    await run("python3", ["-m", "venv", dirname(dirname(PEFT_PYTHON))]);
    await run(PEFT_PYTHON, ["-m", "pip", "install", "-r", projectPath("research/peers/requirements.txt")]);
  }
  await run(PEFT_PYTHON, [PEFT_SCRIPT, "--model", modelPath, "--cache", PEFT_MODELS]);
}

/** The graph of a training step of the small model is larger than this line of the release allows: it would abort. */
const GRAPH_LIMIT = {
  file: join(LLAMA_SOURCE, "src/llama-context.cpp"),
  from: "res = std::max<uint32_t>(1024u, 8u*model.n_tensors());",
  to: "res = std::max<uint32_t>(1024u, 64u*model.n_tensors());",
};

async function raiseGraphLimit(): Promise<void> {
  const { file, from, to } = GRAPH_LIMIT;
  await Deno.writeTextFile(file, (await Deno.readTextFile(file)).replace(from, to));
}

/** Builds with the processor's own instructions, as a person who builds it does. */
async function buildFinetune(modelPath: string): Promise<void> {
  if (!existsSync(FINETUNE) || !existsSync(QUANTIZE)) {
    const entry = createRequire(import.meta.url).resolve("node-llama-cpp");
    const bundle = join(dirname(dirname(entry)), "llama/gitRelease.bundle");
    if (!existsSync(join(LLAMA_SOURCE, "CMakeLists.txt"))) await run("git", ["clone", bundle, LLAMA_SOURCE]);
    await raiseGraphLimit();
    const settings = [
      "CMAKE_BUILD_TYPE=Release",
      "LLAMA_CURL=OFF",
      "LLAMA_OPENSSL=OFF",
      "LLAMA_BUILD_TESTS=OFF",
    ];
    const build = join(LLAMA_SOURCE, "build");
    await run("cmake", ["-S", LLAMA_SOURCE, "-B", build, ...settings.map((setting) => `-D${setting}`)]);
    const targets = ["llama-finetune", "llama-quantize"];
    await run("cmake", ["--build", build, "--target", ...targets, "-j", `${availableParallelism()}`]);
  }
  if (!existsSync(FINETUNE_MODEL)) {
    await run(QUANTIZE, ["--allow-requantize", modelPath, FINETUNE_MODEL, "F32"]);
  }
}

const { path } = await fetchSmallModel();
await installPeft(path);
await buildFinetune(path);
writeLine(`The peers lie in ${PEERS_DIR}`);

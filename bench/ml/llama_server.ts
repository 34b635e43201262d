/**
 * Builds llama.cpp's own server on the very libraries that ml uses, and runs it.
 *
 * node-llama-cpp's package carries the sources of its release as a git bundle. Only the server is compiled, and linked
 * against the package's libraries: so loops are compared, not compilers. Needs git and g++; takes minutes, once.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { concurrently } from "../../lib/async.ts";
import { writeLine } from "../../lib/log.ts";
import { findLibraryFiles } from "../../ml/training/ggml/library_files.ts";
import { choosePort, projectPath } from "../../tools/service_process.ts";
import { answers, type Peer, runProgram, startPeer } from "../support/peer_process.ts";

/** Git ignores it. */
const BUILD_DIR = projectPath("data/llama-server");
const SOURCES = join(BUILD_DIR, "llama.cpp");
const INCLUDES = [
  "include",
  "ggml/include",
  "common",
  "vendor",
  "vendor/sheredom",
  "tools/mtmd",
  "tools/server",
];

async function cloneSources(): Promise<void> {
  if (existsSync(join(SOURCES, "tools/server"))) return;
  await Deno.mkdir(SOURCES, { recursive: true });
  const resolve = createRequire(import.meta.resolve("node-llama-cpp")).resolve;
  const bundle = join(dirname(resolve("node-llama-cpp")), "../llama/gitRelease.bundle");
  await runProgram("git", ["clone", "--quiet", bundle, SOURCES]);
}

/** Compiles a file unless that is done; under another name first, so that half an object is never taken for a whole. */
async function compile(source: string): Promise<string> {
  const object = join(BUILD_DIR, `${basename(source, ".cpp")}.o`);
  if (existsSync(object)) return object;
  const include = [BUILD_DIR, SOURCES, ...INCLUDES.map((folder) => join(SOURCES, folder))];
  const flags = ["-std=c++17", "-O2", "-w", "-DLLAMA_SHARED", "-DGGML_SHARED"];
  await runProgram("g++", [
    ...flags,
    ...include.flatMap((folder) => ["-I", folder]),
    "-c",
    source,
    "-o",
    `${object}.part`,
  ]);
  await Deno.rename(`${object}.part`, object);
  return object;
}

/** The web page is left out: its generator is run without files. */
async function generatePage(): Promise<string> {
  const [generator, source] = [join(BUILD_DIR, "embed"), join(BUILD_DIR, "ui.cpp")];
  await runProgram("g++", ["-std=c++17", "-O1", "-w", join(SOURCES, "tools/ui/embed.cpp"), "-o", generator]);
  await runProgram(generator, [source, join(BUILD_DIR, "ui.h")]);
  return source;
}

/** Images and sound are left out, but for what the server calls for every model. */
const MULTIMODAL_STUBS = `#include "mtmd-helper.h"
void mtmd_helper_log_set(ggml_log_callback, void *) {}
mtmd_helper_init_opt mtmd_helper_init_opt_default() { return {}; }
mtmd_context_params mtmd_context_params_default() { return {}; }
void mtmd_free(mtmd_context *) {}
`;

async function writeStubs(): Promise<string> {
  const source = join(BUILD_DIR, "stubs.cpp");
  await Deno.writeTextFile(source, MULTIMODAL_STUBS);
  return source;
}

/** What else the server would call for images and sound stays unresolved, and is not called. */
async function link(objects: readonly string[], program: string): Promise<void> {
  const { directory } = findLibraryFiles();
  const libraries = [...Deno.readDirSync(directory)].map(({ name }) => join(directory, name))
    .filter((path) => /lib(?:llama|ggml)(?:-common|-base)?(?:\.v[0-9.]+)?\.so$/.test(path));
  const flags = [`-Wl,-rpath,${directory}`, "-Wl,--unresolved-symbols=ignore-all", "-Wl,-z,lazy", "-no-pie"];
  await runProgram("g++", [...objects, ...libraries, ...flags, "-lpthread", "-ldl", "-o", program]);
}

/**
 * The program's path; built unless it is there.
 *
 * @throws UserError when a tool is missing or fails
 */
async function buildLlamaServer(): Promise<string> {
  const program = join(BUILD_DIR, "llama-server");
  if (existsSync(program)) return program;
  writeLine("building llama-server, once: this takes minutes");
  await cloneSources();
  const folder = join(SOURCES, "tools/server");
  const sources = [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".cpp"))
    .map(({ name }) => join(folder, name));
  sources.push(await generatePage(), await writeStubs());
  const objects: string[] = [];
  const limit = navigator.hardwareConcurrency;
  await concurrently(sources, async (source) => void objects.push(await compile(source)), { limit });
  await link(objects, program);
  return program;
}

export interface LlamaServerOptions {
  modelPath: string;
  threads: number;
  /** Requests that run at a time. */
  slots: number;
  /** Tokens of prompt and reply together, of each slot. */
  contextSize: number;
}

export interface LlamaServer extends Peer {
  readonly url: string;
}

/**
 * Starts llama-server and waits until its model is loaded.
 *
 * @throws UserError when it cannot be built or ends at its start
 */
export async function startLlamaServer(options: LlamaServerOptions): Promise<LlamaServer> {
  const { modelPath, threads, slots, contextSize } = options;
  const port = choosePort();
  const settings = {
    model: modelPath,
    port,
    threads,
    "threads-batch": threads,
    parallel: slots,
    "ctx-size": slots * contextSize,
    // ml keeps no prompts but those of its sequences.
    "cache-ram": 0,
  };
  const url = `http://127.0.0.1:${port}`;
  const peer = await startPeer({
    name: "llama-server",
    program: await buildLlamaServer(),
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    // It looks for the CPU backends here.
    cwd: findLibraryFiles().directory,
    isReady: () => answers(`${url}/health`),
  });
  return { ...peer, url };
}

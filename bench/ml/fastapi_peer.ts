/**
 * Installs and runs the stack of FastAPI, llama-cpp-python and Redis that ml is compared with.
 *
 * pip compiles llama-cpp-python for this processor, once, which takes ten minutes; needs Python 3.10, a C++ compiler and
 * Debian's `redis-server`.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeLine } from "../../lib/log.ts";
import { FASTAPI_PYTHON, FASTAPI_SCRIPT } from "../../research/peers/peer_paths.ts";
import { choosePort, projectPath } from "../../tools/service_process.ts";
import { answers, type Peer, runProgram, startPeer } from "../support/peer_process.ts";

export interface FastApiOptions {
  modelPath: string;
  threads: number;
  /** Tokens of prompt and reply together. */
  contextSize: number;
}

export interface FastApi extends Peer {
  readonly url: string;
}

async function install(): Promise<void> {
  if (existsSync(join(FASTAPI_PYTHON, "../uvicorn"))) return;
  writeLine("installing FastAPI and llama-cpp-python, once: this takes ten minutes");
  await runProgram("python3", ["-m", "venv", join(FASTAPI_PYTHON, "../..")]);
  const requirements = projectPath("research/peers/fastapi_requirements.txt");
  await runProgram(FASTAPI_PYTHON, ["-m", "pip", "install", "--quiet", "-r", requirements]);
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts both and waits until the model is loaded.
 *
 * @throws UserError when something is not installed or does not start
 */
export async function startFastApi({ modelPath, threads, contextSize }: FastApiOptions): Promise<FastApi> {
  await install();
  const redisPort = choosePort();
  await using stack = new AsyncDisposableStack();
  stack.use(
    await startPeer({
      name: "Redis",
      program: "redis-server",
      args: ["--port", `${redisPort}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
      isReady: () => isListening(redisPort),
    }),
  );
  const port = choosePort();
  const url = `http://127.0.0.1:${port}`;
  const settings = { model: modelPath, port, redis: redisPort, threads, context: contextSize };
  const service = stack.use(
    await startPeer({
      name: "FastAPI's service",
      program: FASTAPI_PYTHON,
      args: [
        FASTAPI_SCRIPT,
        ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]),
      ],
      isReady: () => answers(`${url}/health`),
    }),
  );
  const running = stack.move();
  return { pid: service.pid, url, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

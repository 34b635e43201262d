/** Opens llama.cpp's prebuilt library in this process, logs its lines, loads model files, and closes it in bounded time. */
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import { withDeadline } from "../../../lib/async.ts";
import type { Logger } from "../../../lib/log.ts";
import { openLibLlama } from "../libllama/library.ts";
import { NativeModel } from "../libllama/native_model.ts";

/**
 * How long the library may take to close. It waits for a model that failed to load, and that is only released by the
 * garbage collector: see `LlamaModel._create` of node-llama-cpp 3.21.1.
 */
const LIBRARY_CLOSE_MS = 1_000;

/** llama.cpp's own log lines; they name files and tensors. */
function logTo(log: Logger): (level: LlamaLogLevel, message: string) => void {
  return (level, message) => {
    const isFault = level === LlamaLogLevel.error || level === LlamaLogLevel.fatal;
    (isFault ? log.warn : log.debug)("llama.cpp", { line: message.trim() });
  };
}

/** Opens llama.cpp's prebuilt library; nothing is compiled or downloaded. */
export async function openLlama(options: { gpu: "auto" | "off"; log: Logger }): Promise<Llama> {
  try {
    return await getLlama({
      gpu: options.gpu === "off" ? false : "auto",
      build: "never",
      skipDownload: true,
      logger: logTo(options.log),
      progressLogs: false,
    });
  } catch (error) {
    throw new Error(`llama.cpp's library cannot be opened on this machine: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Frees the library, without waiting long. */
export async function closeLlama(llama: Llama): Promise<void> {
  await withDeadline(llama.dispose(), LIBRARY_CLOSE_MS);
}

/** How many layers node-llama-cpp would give to the GPU. */
async function gpuLayersFor(model: LlamaModel): Promise<number> {
  const { gpuLayers } = await model.fileInsights.configurationResolver.resolveModelGpuLayersV2("auto", {
    defaultContextFlashAttention: model.defaultContextFlashAttention,
    defaultContextSwaFullCache: model.defaultContextSwaFullCache,
  });
  return gpuLayers;
}

/**
 * Loads vocabulary and weights, both at a time unless the vocabulary must first tell how many layers the GPU gets.
 *
 * @throws what llama.cpp says of the file, once both have ended
 */
export async function loadFile(
  llama: Llama,
  path: string,
): Promise<{ model: LlamaModel; native: NativeModel } & AsyncDisposable> {
  await using memory = new AsyncDisposableStack();
  const library = openLibLlama(llama);
  const loadingModel = llama.loadModel({ modelPath: path, vocabOnly: true }).then((it) => memory.use(it));
  const gpuLayers = llama.gpu === false ? 0 : loadingModel.then((model) => gpuLayersFor(model));
  const loadingNative = Promise.resolve(gpuLayers)
    .then((gpuLayers) => NativeModel.load(library, { path, gpuLayers })).then((it) => memory.use(it));
  await Promise.allSettled([loadingModel, loadingNative]);
  const parts = { model: await loadingModel, native: await loadingNative };
  const owned = memory.move();
  return { ...parts, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Opens llama.cpp's prebuilt library in this process, logs its lines, and closes it in bounded time. */
import { getLlama, type Llama, LlamaLogLevel } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import { withDeadline } from "../../../lib/async.ts";
import type { Logger } from "../../../lib/log.ts";

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

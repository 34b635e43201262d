/** Owns llama.cpp's library in this process: opened prebuilt, its log lines told, closed in bounded time. */
import { getLlama, type Llama, LlamaLogLevel } from "node-llama-cpp";
import { messageOf } from "../../../lib/errors.ts";
import { withDeadline } from "../../../lib/async.ts";
import type { Logger } from "../../../lib/log.ts";

/**
 * How long the library may take to close. A model that failed to load is not released before the collector finds
 * it, and the library waits for it: see `LlamaModel._create` of node-llama-cpp 3.21.1.
 */
const LIBRARY_CLOSE_MS = 1_000;

/** llama.cpp's own lines, for debugging only: they name files and tensors. */
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

/** Frees the library, without waiting for long. */
export async function closeLlama(llama: Llama): Promise<void> {
  await withDeadline(llama.dispose(), LIBRARY_CLOSE_MS);
}

/** The life of a process: run until a signal, exit with a code. */
import process from "node:process";
import { ConfigError } from "./config.ts";
import { logFieldsOfError, messageOf, UserError } from "./errors.ts";
import { writeErrorLine } from "./log.ts";

/** How long a process may take to end in order after an error that nothing caught. */
const ORDERLY_END_MS = 15_000;

/**
 * Aborts at SIGTERM or SIGINT. A second signal ends the process at once.
 *
 * The listeners are Node's: packages that clean up at a signal (node-llama-cpp loads one) send it again when they
 * find no other listener than their own, and they do not see Deno's.
 */
export function shutdownSignal(controller: AbortController = new AbortController()): AbortSignal {
  const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGTERM", "SIGINT"];
  for (const name of names) {
    process.on(name, () => {
      if (controller.signal.aborted) Deno.exit(130);
      controller.abort(new DOMException(`Received ${name}`, "AbortError"));
    });
  }
  return controller.signal;
}

/**
 * The last net: an error that nothing caught is written, without its message, and the process ends in order.
 *
 * @returns whether there was one
 */
function endAtStrayErrors(stop: AbortController): () => boolean {
  let isStray = false;
  const onStray = (event: Event, error: unknown) => {
    event.preventDefault();
    const { errorName, errorCode, stack } = logFieldsOfError(error);
    writeErrorLine(
      `An error that nothing caught ends the process: ${errorName} ${errorCode ?? ""} ${stack ?? ""}`,
    );
    if (isStray) return;
    isStray = true;
    stop.abort(new DOMException("An error was not caught", "AbortError"));
    Deno.unrefTimer(setTimeout(() => Deno.exit(1), ORDERLY_END_MS) as unknown as number);
  };
  globalThis.addEventListener("unhandledrejection", (event) => onStray(event, event.reason));
  globalThis.addEventListener("error", (event) => onStray(event, event.error));
  return () => isStray;
}

/** Runs a service's main function and exits with its code; an error meant for the person is printed without its stack. */
export async function runMain(main: (signal: AbortSignal) => Promise<void>): Promise<never> {
  const stop = new AbortController();
  const endedByStrayError = endAtStrayErrors(stop);
  try {
    await main(shutdownSignal(stop));
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UserError) writeErrorLine(messageOf(error));
    else writeErrorLine(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
  Deno.exit(endedByStrayError() ? 1 : 0);
}

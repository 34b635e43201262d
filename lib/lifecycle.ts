/** The life of a process: run until a signal, exit with a code. */
import process from "node:process";
import { ConfigError } from "./config.ts";
import { messageOf, UserError } from "./errors.ts";
import { writeErrorLine } from "./log.ts";

/**
 * Aborts at SIGTERM or SIGINT. A second signal ends the process at once.
 *
 * The listeners are Node's: packages that clean up at a signal (node-llama-cpp loads one) send it again when they
 * find no other listener than their own, and they do not see Deno's.
 */
export function shutdownSignal(): AbortSignal {
  const controller = new AbortController();
  const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGTERM", "SIGINT"];
  for (const name of names) {
    process.on(name, () => {
      if (controller.signal.aborted) Deno.exit(130);
      controller.abort(new DOMException(`Received ${name}`, "AbortError"));
    });
  }
  return controller.signal;
}

/** Runs a service's main function and exits with its code; an error meant for the person is printed without its stack. */
export async function runMain(main: (signal: AbortSignal) => Promise<void>): Promise<never> {
  try {
    await main(shutdownSignal());
  } catch (error) {
    if (error instanceof ConfigError || error instanceof UserError) writeErrorLine(messageOf(error));
    else writeErrorLine(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(1);
  }
  Deno.exit(0);
}

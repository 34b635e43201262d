/** The life of a service: serve until a signal, finish what is in flight by a deadline, exit with a code. */
import process from "node:process";
import { aborted, withDeadline } from "./async.ts";
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

export interface ServeOptions {
  hostname: string;
  /** 0 takes a free port; `onReady` says which. */
  port: number;
  signal: AbortSignal;
  /** How long requests in flight may take once the signal came. */
  deadlineMs?: number;
  onReady: (url: string) => void;
}

const DEFAULT_DEADLINE_MS = 10_000;

function listen(
  handler: Deno.ServeHandler<Deno.NetAddr>,
  options: ServeOptions,
): Deno.HttpServer<Deno.NetAddr> {
  const { hostname, port } = options;
  try {
    return Deno.serve({
      hostname,
      port,
      onListen: (address) => {
        const host = address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname;
        options.onReady(`http://${host}:${address.port}`);
      },
    }, handler);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new UserError(`Port ${port} on ${hostname} is in use`, {
      fix: "Stop what listens there, or set another port",
    });
  }
}

/**
 * Serves HTTP until the signal aborts, then lets what is in flight finish.
 *
 * @throws UserError when the port is taken
 */
export async function serveUntil(
  handler: Deno.ServeHandler<Deno.NetAddr>,
  options: ServeOptions,
): Promise<void> {
  const server = listen(handler, options);
  await Promise.race([aborted(options.signal), server.finished]);
  await withDeadline(server.shutdown(), options.deadlineMs ?? DEFAULT_DEADLINE_MS);
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

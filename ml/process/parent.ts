/** The child's side of `child_process.ts`: sends messages to the parent, receives its own, and ends with it. */
import process from "node:process";
import { textLinesOf } from "../../lib/async.ts";
import { type Message, messageOfLine } from "./child_process.ts";

/** Writes a message to stdout before it returns. */
export function sendToParent(message: Message): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/**
 * Leaves a signal to the parent: terminals and service managers send theirs to every process of a service, and the parent
 * still wants what is in flight.
 *
 * Registered through Node's API: packages that clean up on signals raise them again when they find no other listener.
 */
function ignoreShutdownSignals(): void {
  const names: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const name of names) process.on(name, () => {});
}

/**
 * Makes exceeding the file size limit fail the write, as a full disk does, instead of killing the process by a signal: of
 * what the runtime caches while it loads modules too, if it is called before.
 */
export function outliveFileLimit(): void {
  if (Deno.build.os !== "windows") process.on("SIGXFSZ", () => {});
}

/** Passes on the parent's messages; kills this process, native threads included, when the parent has gone. */
export async function followParent<Received extends Message>(
  onMessage: (message: Received) => void,
): Promise<void> {
  ignoreShutdownSignals();
  for await (const line of textLinesOf(Deno.stdin.readable)) {
    const message = messageOfLine<Received>(line);
    if (message !== undefined) onMessage(message);
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

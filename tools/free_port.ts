/** Starts services on ports that nobody takes between their choice and their use. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { lockFile } from "../lib/files.ts";
import { choosePort, isPortFree, type ServiceProcess } from "./service_process.ts";

/** Ports that are tried. */
const ATTEMPTS = 5;

/** Keeps a port from other programs that choose theirs here; null where one of them has it. */
async function lockPort(port: number): Promise<Disposable | null> {
  const path = join(tmpdir(), `conversation-port-${Deno.uid() ?? 0}-${port}.lock`);
  try {
    return await lockFile(path, { message: `Port ${port} is chosen already` });
  } catch (error) {
    if (error instanceof UserError) return null;
    throw error;
  }
}

/**
 * Starts a service on the preferred port, or on another one where that is taken. A port is locked from its choice to the
 * end of its service, so that of two programs which start at a time each gets its own; where a stranger is faster than
 * the service, it starts on another port.
 *
 * @throws what the start throws while its port is free
 */
export async function startOnFreePort<Service extends Pick<ServiceProcess, "ended">>(
  preferred: number,
  start: (port: number) => Promise<Service>,
): Promise<Service> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const port = attempt === 1 ? choosePort(preferred) : choosePort();
    const lock = await lockPort(port);
    if (lock === null) continue;
    try {
      const service = await start(port);
      service.ended.finally(() => lock[Symbol.dispose]());
      return service;
    } catch (error) {
      lock[Symbol.dispose]();
      if (isPortFree(port)) throw error;
    }
  }
  throw new UserError(`None of ${ATTEMPTS} ports could be had`, { fix: "Try again" });
}

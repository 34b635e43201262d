/** The question of a container's or a person's `healthcheck`: does the service of this machine answer? */
import { UserError } from "../errors.ts";

const TIMEOUT_MS = 4_000;

/** The address at which this machine reaches a service; a wildcard bind is reached over loopback. */
export function localUrl({ host, port }: { host: string; port: number | string }): string {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/**
 * Asks the service that these settings start for its health.
 *
 * @returns its status, such as `healthy`
 * @throws UserError when it does not answer, or with an error
 */
export async function checkHealth(config: { host: string; port: number }): Promise<string> {
  const url = `${localUrl(config)}/health`;
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => null);
  if (response === null) throw new UserError(`Nothing answers at ${url}`);
  const health = await response.json().catch(() => ({}));
  if (!response.ok) throw new UserError(`${url} answers with status ${response.status}`);
  return typeof health.status === "string" ? health.status : "healthy";
}

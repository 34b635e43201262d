/** Which names a service answers to, and which pages may send it what changes something: against rebound names and forged requests. */
import { isIP } from "node:net";
import { type Context, createMiddleware } from "../../deps.ts";
import { isLoopback, type Setting, setting } from "../config.ts";
import { ApiError } from "../errors.ts";
import { isHandshake } from "./web_sockets.ts";

export interface AllowedHosts {
  /** @param hostname as a URL has it: lower case, an IPv6 address in brackets */
  has(hostname: string): boolean;
  /** Whether the name was configured, so that its pages are trusted as well. */
  isConfigured(hostname: string): boolean;
}

function hostNames(raw: string): readonly string[] {
  const names = raw.split(",").map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
  for (const name of names) {
    if (
      name.includes("*") || !URL.canParse(`http://${name}`) || new URL(`http://${name}`).hostname !== name
    ) {
      throw new Error("a list of host names without ports, such as assistant.example.com, ml");
    }
  }
  return names;
}

/** `ALLOWED_HOSTS`, the same for each service. */
export const allowedHostsSetting: Setting<readonly string[]> = setting<readonly string[]>({
  env: "ALLOWED_HOSTS",
  parse: hostNames,
  fallback: [],
  fallbackText: "none",
  description:
    "Further host names that the service is reached by, such as those of a proxy; loopback names, the " +
    "address it listens on and, where that opens it to the network, IP addresses and the machine's own name are known",
});

function ownNames(): string[] {
  try {
    const name = Deno.hostname().toLowerCase();
    return [name, `${name}.local`];
  } catch {
    return [];
  }
}

/** The names of a service that listens on `host`. An IP address cannot be rebound, a name can. */
export function allowedHosts({ host, names }: { host: string; names: readonly string[] }): AllowedHosts {
  const opensNetwork = !isLoopback(host);
  const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const known = new Set([bare(host), ...names, ...(opensNetwork ? ownNames() : [])]);
  return {
    has(hostname) {
      const name = bare(hostname);
      return isLoopback(name) || name.endsWith(".localhost") || known.has(name) ||
        (opensNetwork && isIP(name) !== 0);
    },
    isConfigured: (hostname) => names.includes(bare(hostname)),
  };
}

/** Methods that change nothing. */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether a request may do more than read: browsers let any page open a WebSocket, with the cookies of its server. */
export function mayChange(c: Context): boolean {
  return !SAFE_METHODS.has(c.req.method) || isHandshake(c);
}

/** Whether a page of another origin sends this. Programs send no `Origin`. */
function isForeign(c: Context, url: URL, hosts: AllowedHosts): boolean {
  if (!mayChange(c)) return false;
  const origin = c.req.header("origin");
  if (origin === undefined) return c.req.header("sec-fetch-site") === "cross-site";
  if (!URL.canParse(origin)) return true;
  const { host, hostname } = new URL(origin);
  return host !== url.host && !hosts.isConfigured(hostname);
}

/** Answers 421 for a host that is not the service's, and 403 for a change that a foreign page asks for. */
export function guardOrigin(hosts: AllowedHosts) {
  return createMiddleware(async (c, next) => {
    const url = new URL(c.req.url);
    if (!hosts.has(url.hostname)) {
      throw new ApiError(
        "host_not_allowed",
        "This service is not known by that host name: ALLOWED_HOSTS names others",
      );
    }
    if (isForeign(c, url, hosts)) {
      throw new ApiError("forbidden", "Pages of another origin may not change anything here");
    }
    await next();
    if (url.protocol === "https:") {
      c.header("Strict-Transport-Security", "max-age=15552000; includeSubDomains");
    }
  });
}

/** Who a request comes from: the connection's address, or what a trusted proxy says in its headers. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";
import { type Setting, setting } from "../config.ts";
import type { RequestOrigin } from "./node_bridge.ts";

/** The addresses of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. */
export interface TrustedProxies {
  has(address: string): boolean;
}

export const NO_PROXIES: TrustedProxies = { has: () => false };

/** An IPv4 address that a socket of both versions shows as an IPv6 address, as itself. */
function plainAddress(address: string): string {
  return /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1] ?? address;
}

/**
 * Reads addresses and networks, separated by commas: `10.0.0.0/8, ::1`. Throws an Error that completes "NAME must be …".
 */
export function trustedProxies(raw: string): TrustedProxies {
  const list = new BlockList();
  for (const entry of raw.split(",").map((text) => text.trim()).filter((text) => text !== "")) {
    const [address = "", bits, ...rest] = entry.split("/");
    const version = isIP(address);
    const longest = version === 6 ? 128 : 32;
    const prefix = bits === undefined ? longest : /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
    if (version === 0 || rest.length > 0 || !(prefix <= longest)) {
      throw new Error("a list of addresses and networks such as 10.0.0.0/8, ::1");
    }
    list.addSubnet(address, prefix, version === 6 ? "ipv6" : "ipv4");
  }
  return {
    has(address) {
      const plain = plainAddress(address);
      const version = isIP(plain);
      return version !== 0 && list.check(plain, version === 6 ? "ipv6" : "ipv4");
    },
  };
}

/** `TRUSTED_PROXIES`, the same for each service. */
export const trustedProxiesSetting: Setting<TrustedProxies> = setting({
  env: "TRUSTED_PROXIES",
  parse: trustedProxies,
  fallback: NO_PROXIES,
  fallbackText: "none",
  description: "Addresses and networks (such as 10.0.0.0/8, ::1) of proxies whose X-Forwarded-For and " +
    "X-Forwarded-Proto are believed",
});

/** The address nearest to us that is no trusted proxy: those before it are the client's own words. */
function forwardedAddress(forwardedFor: string, proxies: TrustedProxies): string | null {
  let nearest: string | null = null;
  for (const address of forwardedFor.split(",").map((text) => text.trim()).reverse()) {
    if (isIP(address) === 0) break;
    nearest = address;
    if (!proxies.has(address)) break;
  }
  return nearest;
}

/** Who sent a request. */
export function originOf({ headers, socket }: IncomingMessage, proxies: TrustedProxies): RequestOrigin {
  const address = socket.remoteAddress ?? "unknown";
  if (!proxies.has(address)) return { protocol: "http", address };
  const forwardedFor = headers["x-forwarded-for"];
  const all = Array.isArray(forwardedFor) ? forwardedFor.join(",") : forwardedFor ?? "";
  const protocol = String(headers["x-forwarded-proto"] ?? "").split(",").at(-1)?.trim().toLowerCase();
  return {
    protocol: protocol === "https" ? "https" : "http",
    address: forwardedAddress(all, proxies) ?? address,
  };
}

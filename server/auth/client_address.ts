/** Owns by which address a client is counted where attempts are limited. */
import { type Context, getConnInfo } from "../../deps.ts";

/** Tells the address that a request is counted under. */
export type ClientAddressOf = (c: Context) => string;

/** The eight groups of an IPv6 address, short forms written out. */
function groupsOf(address: string): string[] {
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const gap = tail === undefined
    ? []
    : new Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...gap, ...right];
}

/**
 * The part of an address that stands for one client: an IPv4 address whole, of an IPv6 address the first 64 bits,
 * since every home has a whole /64 to choose its addresses from.
 */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const groups = groupsOf(address.replace(/%.*$/, "").toLowerCase());
  return `${groups.slice(0, 4).map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}

/** The address of the connection itself: headers such as X-Forwarded-For are the client's own words. */
export const connectionAddressOf: ClientAddressOf = (c) => {
  return addressKey(getConnInfo(c).remote.address ?? "unknown");
};

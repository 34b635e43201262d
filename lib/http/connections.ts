/** Limits of how many connections are open, overall and by address, so that they never use up the descriptors. */
import type { Socket } from "node:net";

export interface ConnectionLimits {
  /** Connections at a time. Lowered to half of what the process may still open. */
  total: number;
  /** Connections of one address at a time; at most half of all. */
  perAddress: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = { total: 1_024, perAddress: 256 };

/**
 * Counts the descriptors that the process may still open, by opening that many. Nothing else tells: the limit is in
 * /proc, which needs every permission, and other systems have no such file.
 */
export function freeDescriptors(atMost: number): number {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < atMost) {
      opened.push(Deno.openSync(Deno.build.os === "windows" ? "NUL" : "/dev/null"));
    }
  } catch {
    // That was the last one.
  }
  for (const file of opened) file.close();
  return opened.length;
}

/** The limits that this process can hold: no address may take all of the connections. */
export function affordableLimits({ total, perAddress }: ConnectionLimits): ConnectionLimits {
  const affordable = Math.max(2, Math.min(total, Math.floor(freeDescriptors(2 * total) / 2)));
  return { total: affordable, perAddress: Math.max(1, Math.min(perAddress, Math.floor(affordable / 2))) };
}

/** How long a connection may take to send something that can be answered, in milliseconds. */
export interface HeadLimits {
  /** From the connection, or the first byte of a further request, to the end of its head. */
  headMs: number;
  /** Between two requests. */
  keepAliveMs: number;
}

interface Connection {
  /** Requests that are being answered. */
  requests: number;
  /** When its last answer ended; before the first one, when it was opened. */
  idleSince: number;
  /** `bytesRead` of the socket at that time. */
  idleBytes: number;
  /** When a part of a head was first seen, since. */
  headSince: number | null;
  hasServed: boolean;
}

function isLate(socket: Socket, connection: Connection, { headMs, keepAliveMs }: HeadLimits): boolean {
  if (connection.requests > 0) return false;
  const now = performance.now();
  if (socket.bytesRead > connection.idleBytes) connection.headSince ??= now;
  if (connection.headSince !== null && connection.hasServed) return now - connection.headSince >= headMs;
  return now - connection.idleSince >= (connection.hasServed ? keepAliveMs : headMs);
}

/** The open connections, and which of them are answering something. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #isExempt: (address: string) => boolean;
  readonly #open = new Map<Socket, Connection>();
  readonly #byAddress = new Map<string, number>();
  #stopping = false;

  /** @param isExempt which addresses have no limit of their own, since they stand for many clients */
  constructor(limits: ConnectionLimits, isExempt: (address: string) => boolean) {
    this.#limits = limits;
    this.#isExempt = isExempt;
  }

  /** Takes a new connection, or closes it and returns false. When all are taken, one that is idle makes room. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const ofAddress = this.#byAddress.get(address) ?? 0;
    const isFull = this.#open.size >= this.#limits.total && !this.#closeOneIdle();
    if (this.#stopping || isFull || (ofAddress >= this.#limits.perAddress && !this.#isExempt(address))) {
      socket.destroy();
      return false;
    }
    this.#open.set(socket, {
      requests: 0,
      idleSince: performance.now(),
      idleBytes: 0,
      headSince: null,
      hasServed: false,
    });
    this.#byAddress.set(address, ofAddress + 1);
    socket.on("close", () => this.#forget(socket, address));
    return true;
  }

  /** Counts a request as being answered until the result is called. */
  begin(socket: Socket): () => void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return () => {};
    connection.requests++;
    return () => {
      if (--connection.requests > 0 || socket.destroyed) return;
      Object.assign(connection, {
        idleSince: performance.now(),
        idleBytes: socket.bytesRead,
        headSince: null,
        hasServed: true,
      });
      if (this.#stopping) socket.destroySoon();
    };
  }

  /** Closes the connections that took too long to send a head. */
  closeLate(limits: HeadLimits): void {
    for (const [socket, connection] of this.#open) if (isLate(socket, connection, limits)) socket.destroy();
  }

  /** Admits no more connections and closes the idle ones; the others close once they have answered. */
  stop(): void {
    this.#stopping = true;
    for (const [socket, { requests }] of this.#open) if (requests === 0) socket.destroy();
  }

  /** Closes every connection, whatever is on it. */
  destroy(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  get size(): number {
    return this.#open.size;
  }

  /** The oldest comes first in a map. */
  #closeOneIdle(): boolean {
    for (const [socket, { requests }] of this.#open) {
      if (requests > 0) continue;
      this.#forget(socket, socket.remoteAddress ?? "");
      socket.destroy();
      return true;
    }
    return false;
  }

  #forget(socket: Socket, address: string): void {
    if (!this.#open.delete(socket)) return;
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }
}

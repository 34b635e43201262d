/** A TCP port in front of a Unix socket or another port, which a test can cut off and restore like a network. */

/** Closes a connection, unless forwarding closed it just now: it is taken off the list a moment later. */
function closeIfOpen(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/** A proxy that listens from the start. */
export class TcpProxy implements AsyncDisposable {
  readonly port: number;
  readonly #target: string | number;
  readonly #open = new Set<Deno.Conn>();
  #listener: Deno.TcpListener | null;
  #accepting: Promise<void>;

  /** @param target path of the Unix socket, or the port on this machine */
  constructor(target: string | number) {
    this.#target = target;
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = listener.addr.port;
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  /** Refuses new connections and breaks those that are open. */
  async goDown(): Promise<void> {
    this.#listener?.close();
    this.#listener = null;
    for (const connection of this.#open) closeIfOpen(connection);
    this.#open.clear();
    await this.#accepting;
  }

  /** Listens again on the same port. */
  comeBack(): void {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: this.port });
    this.#listener = listener;
    this.#accepting = this.#accept(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.goDown();
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    const forwarded: Promise<void>[] = [];
    try {
      for await (const client of listener) forwarded.push(this.#forward(client));
    } finally {
      await Promise.all(forwarded);
    }
  }

  async #forward(client: Deno.Conn): Promise<void> {
    const server = await this.#connect();
    if (server === null) return client.close();
    this.#open.add(client).add(server);
    // A connection that breaks on either side ends both ways, as goDown does on purpose.
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
    this.#open.delete(client);
    this.#open.delete(server);
  }

  /** Null when nothing listens there: then the network works, and the refusal is passed on. */
  async #connect(): Promise<Deno.Conn | null> {
    try {
      return typeof this.#target === "string"
        ? await Deno.connect({ transport: "unix", path: this.#target })
        : await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound) {
        return null;
      }
      throw error;
    }
  }
}

/** The contexts that serve adapters: a few at a time; the least recently used idle one is closed for the next. */
import { Notifier, unlessAborted } from "../../../lib/async.ts";

export interface AdapterContextsOptions<Adapter extends { id: string }, Context extends AsyncDisposable> {
  /** How many may be open at a time; at least 1. */
  limit: number;
  open: (adapter: Adapter) => Promise<Context>;
}

/** A context held for one run. Disposing releases it. */
export interface ContextLease<Context> extends Disposable {
  readonly context: Context;
}

interface Entry<Context> {
  context: Context;
  users: number;
  /** Out of service: its last user closes it. */
  retired: boolean;
  closed: PromiseWithResolvers<void>;
}

/**
 * Opens contexts on demand. While all are in use, callers wait for the first one that is released. An adapter has one
 * context at a time: two would share its weights, which are freed with the first one that is closed.
 */
export class AdapterContexts<Adapter extends { id: string }, Context extends AsyncDisposable>
  implements AsyncDisposable {
  readonly #options: AdapterContextsOptions<Adapter, Context>;
  /** By adapter id, least recently used first. */
  readonly #open = new Map<string, Entry<Context>>();
  readonly #opening = new Map<string, Promise<Context>>();
  /** By adapter id, contexts that are being closed. */
  readonly #closing = new Map<string, Promise<void>>();
  /** Notifies when a context becomes idle or a slot becomes free. */
  readonly #changes = new Notifier();

  constructor(options: AdapterContextsOptions<Adapter, Context>) {
    this.#options = options;
  }

  /**
   * Returns the context of an adapter, opening it if necessary.
   *
   * @throws what `open` throws; the signal's reason when that aborts first
   */
  async acquire(adapter: Adapter, options: { signal?: AbortSignal } = {}): Promise<ContextLease<Context>> {
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      const known = this.#open.get(adapter.id);
      if (known) return this.#lease(adapter.id, known);
      const pending = this.#closing.get(adapter.id) ?? this.#opening.get(adapter.id);
      if (pending) await unlessAborted(pending, signal);
      else if (this.#hasRoom()) return await this.#openFor(adapter);
      else await unlessAborted(this.#changes.next, signal);
    }
  }

  /** Takes an adapter out of service. Current users finish on its context; no one else gets it. */
  async retire(adapterId: string): Promise<void> {
    await this.#opening.get(adapterId)?.catch(() => {});
    const entry = this.#open.get(adapterId);
    if (!entry) return;
    this.#withdraw(adapterId, entry);
    entry.retired = true;
    if (entry.users === 0) await this.#close(adapterId, entry);
    this.#changes.notify();
  }

  /** Closes all contexts; none may be in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#opening.values(), ...this.#closing.values()]);
    const entries = [...this.#open.values()];
    this.#open.clear();
    for (const { context } of entries) await context[Symbol.asyncDispose]();
  }

  #hasRoom(): boolean {
    return this.#open.size + this.#opening.size < this.#options.limit || this.#idleId() !== undefined;
  }

  #idleId(): string | undefined {
    for (const [id, { users }] of this.#open) {
      if (users === 0) return id;
    }
    return undefined;
  }

  /** Opens a context, closing an idle one first where the limit is reached. */
  async #openFor(adapter: Adapter): Promise<ContextLease<Context>> {
    const opening = this.#replaceIdle(adapter);
    this.#opening.set(adapter.id, opening);
    try {
      const context = await opening;
      const entry = { context, users: 0, retired: false, closed: Promise.withResolvers<void>() };
      this.#open.set(adapter.id, entry);
      return this.#lease(adapter.id, entry);
    } finally {
      this.#opening.delete(adapter.id);
      this.#changes.notify();
    }
  }

  async #replaceIdle(adapter: Adapter): Promise<Context> {
    const { limit, open } = this.#options;
    const id = this.#open.size + this.#opening.size < limit ? undefined : this.#idleId();
    const idle = id === undefined ? undefined : this.#open.get(id);
    if (id !== undefined && idle !== undefined) {
      this.#withdraw(id, idle);
      await this.#close(id, idle);
    }
    return await open(adapter);
  }

  /** Stops handing out a context; its adapter gets no other one until it is closed. */
  #withdraw(id: string, { closed }: Entry<Context>): void {
    this.#open.delete(id);
    this.#closing.set(id, closed.promise);
  }

  async #close(id: string, { context, closed }: Entry<Context>): Promise<void> {
    try {
      await context[Symbol.asyncDispose]();
    } finally {
      this.#closing.delete(id);
      closed.resolve();
    }
  }

  #lease(id: string, entry: Entry<Context>): ContextLease<Context> {
    entry.users++;
    // The map is ordered by last use.
    this.#open.delete(id);
    this.#open.set(id, entry);
    let held = true;
    return {
      context: entry.context,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#release(id, entry);
      },
    };
  }

  #release(id: string, entry: Entry<Context>): void {
    if (--entry.users > 0) return;
    // How closing ends does not concern the last run on a retired context.
    if (entry.retired) void this.#close(id, entry).catch(() => {});
    this.#changes.notify();
  }
}

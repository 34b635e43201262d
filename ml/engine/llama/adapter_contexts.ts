/** Owns the contexts that serve adapters: few at a time, the least recently used idle one closed for another. */
import { Notifier, unlessAborted } from "../../../lib/async.ts";

export interface AdapterContextsOptions<Adapter extends { id: string }, Context extends AsyncDisposable> {
  /** How many may be open at a time; at least 1. */
  limit: number;
  open: (adapter: Adapter) => Promise<Context>;
}

/** A context held for one run. Disposing gives it back. */
export interface ContextLease<Context> extends Disposable {
  readonly context: Context;
}

interface Entry<Context> {
  context: Context;
  users: number;
  /** It was taken out of service: whoever uses it last closes it. */
  retired: boolean;
  closed: PromiseWithResolvers<void>;
}

/**
 * Opens contexts as they are asked for. Whoever asks while all are in use waits for the first that is given back. An
 * adapter has one context at a time: two would share its weights, which go with the first that is closed.
 */
export class AdapterContexts<Adapter extends { id: string }, Context extends AsyncDisposable>
  implements AsyncDisposable {
  readonly #options: AdapterContextsOptions<Adapter, Context>;
  /** By adapter, the least recently used one first. */
  readonly #open = new Map<string, Entry<Context>>();
  readonly #opening = new Map<string, Promise<Context>>();
  /** By adapter, the end of a context that nobody gets any more. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Notifies when a context becomes idle or a place becomes free. */
  readonly #changes = new Notifier();

  constructor(options: AdapterContextsOptions<Adapter, Context>) {
    this.#options = options;
  }

  /**
   * The context of an adapter, opened where it is not.
   *
   * @throws what `open` throws; the signal's reason when that aborts first
   */
  async take(adapter: Adapter, options: { signal?: AbortSignal } = {}): Promise<ContextLease<Context>> {
    const { signal } = options;
    for (;;) {
      signal?.throwIfAborted();
      const known = this.#open.get(adapter.id);
      if (known) return this.#lease(adapter.id, known);
      const underWay = this.#leaving.get(adapter.id) ?? this.#opening.get(adapter.id);
      if (underWay) await unlessAborted(underWay, signal);
      else if (this.#hasRoom()) return await this.#begin(adapter);
      else await unlessAborted(this.#changes.next, signal);
    }
  }

  /** Takes an adapter out of service. Who uses its context now ends on it; nobody gets it again. */
  async retire(adapterId: string): Promise<void> {
    await this.#opening.get(adapterId)?.catch(() => {});
    const entry = this.#open.get(adapterId);
    if (!entry) return;
    this.#takeOut(adapterId, entry);
    entry.retired = true;
    if (entry.users === 0) await this.#close(adapterId, entry);
    this.#changes.notify();
  }

  /** Closes all contexts; none may be in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#opening.values(), ...this.#leaving.values()]);
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

  /** Opens a context, closing an idle one before where all places are taken. */
  async #begin(adapter: Adapter): Promise<ContextLease<Context>> {
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
      this.#takeOut(id, idle);
      await this.#close(id, idle);
    }
    return await open(adapter);
  }

  /** Nobody gets a context any more, nor another one of its adapter until it is closed. */
  #takeOut(id: string, { closed }: Entry<Context>): void {
    this.#open.delete(id);
    this.#leaving.set(id, closed.promise);
  }

  async #close(id: string, { context, closed }: Entry<Context>): Promise<void> {
    try {
      await context[Symbol.asyncDispose]();
    } finally {
      this.#leaving.delete(id);
      closed.resolve();
    }
  }

  #lease(id: string, entry: Entry<Context>): ContextLease<Context> {
    entry.users++;
    // The map's order is that of use.
    this.#open.delete(id);
    this.#open.set(id, entry);
    let held = true;
    return {
      context: entry.context,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#giveBack(id, entry);
      },
    };
  }

  #giveBack(id: string, entry: Entry<Context>): void {
    if (--entry.users > 0) return;
    // The last run on a retired context has nothing to do with how its closing ends.
    if (entry.retired) void this.#close(id, entry).catch(() => {});
    this.#changes.notify();
  }
}

/** The adapters in memory: a few at a time; the least recently used idle one is closed for the next. */
import { Notifier, unlessAborted } from "../../lib/async.ts";

export interface AdapterCacheOptions<Adapter extends { id: string }, Loaded extends AsyncDisposable> {
  /** How many may be open at a time; at least 1. */
  limit: number;
  open: (adapter: Adapter) => Promise<Loaded>;
}

/** A loaded adapter held for one run. Disposing releases it. */
export interface AdapterLease<Loaded> extends Disposable {
  readonly loaded: Loaded;
}

interface Entry<Loaded> {
  loaded: Loaded;
  users: number;
  /** Out of service: its last user closes it. */
  retired: boolean;
  closed: PromiseWithResolvers<void>;
}

/**
 * Opens adapters on demand. While all are in use, callers wait for the first one that is released. An adapter is in
 * memory once at a time: it is closed before its file is read again.
 */
export class AdapterCache<Adapter extends { id: string }, Loaded extends AsyncDisposable>
  implements AsyncDisposable {
  readonly #options: AdapterCacheOptions<Adapter, Loaded>;
  /** By adapter id, least recently used first. */
  readonly #open = new Map<string, Entry<Loaded>>();
  readonly #opening = new Map<string, Promise<Loaded>>();
  /** By id, adapters that are being closed. */
  readonly #closing = new Map<string, Promise<void>>();
  /** Notifies when an adapter becomes idle or a slot becomes free. */
  readonly #changes = new Notifier();

  constructor(options: AdapterCacheOptions<Adapter, Loaded>) {
    this.#options = options;
  }

  /**
   * Returns a loaded adapter, opening it if necessary.
   *
   * @throws what `open` throws; the signal's reason when that aborts first
   */
  async acquire(adapter: Adapter, options: { signal?: AbortSignal } = {}): Promise<AdapterLease<Loaded>> {
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

  /** Takes an adapter out of service. Current users finish on it; no one else gets it. */
  async retire(adapterId: string): Promise<void> {
    await this.#opening.get(adapterId)?.catch(() => {});
    const entry = this.#open.get(adapterId);
    if (!entry) return;
    this.#withdraw(adapterId, entry);
    entry.retired = true;
    if (entry.users === 0) await this.#close(adapterId, entry);
    this.#changes.notify();
  }

  /** Takes all adapters out of service. */
  async retireAll(): Promise<void> {
    const ids = [...this.#open.keys(), ...this.#opening.keys()];
    await Promise.all(ids.map((id) => this.retire(id)));
  }

  /** Closes all adapters; none may be in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#opening.values(), ...this.#closing.values()]);
    const entries = [...this.#open.values()];
    this.#open.clear();
    for (const { loaded } of entries) await loaded[Symbol.asyncDispose]();
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

  /** Opens an adapter, closing an idle one first where the limit is reached. */
  async #openFor(adapter: Adapter): Promise<AdapterLease<Loaded>> {
    const opening = this.#replaceIdle(adapter);
    this.#opening.set(adapter.id, opening);
    try {
      const loaded = await opening;
      const entry = { loaded, users: 0, retired: false, closed: Promise.withResolvers<void>() };
      this.#open.set(adapter.id, entry);
      return this.#lease(adapter.id, entry);
    } finally {
      this.#opening.delete(adapter.id);
      this.#changes.notify();
    }
  }

  async #replaceIdle(adapter: Adapter): Promise<Loaded> {
    const { limit, open } = this.#options;
    const id = this.#open.size + this.#opening.size < limit ? undefined : this.#idleId();
    const idle = id === undefined ? undefined : this.#open.get(id);
    if (id !== undefined && idle !== undefined) {
      this.#withdraw(id, idle);
      await this.#close(id, idle);
    }
    return await open(adapter);
  }

  /** Stops handing out an adapter, which is not opened again until it is closed. */
  #withdraw(id: string, { closed }: Entry<Loaded>): void {
    this.#open.delete(id);
    this.#closing.set(id, closed.promise);
  }

  async #close(id: string, { loaded, closed }: Entry<Loaded>): Promise<void> {
    try {
      await loaded[Symbol.asyncDispose]();
    } finally {
      this.#closing.delete(id);
      closed.resolve();
    }
  }

  #lease(id: string, entry: Entry<Loaded>): AdapterLease<Loaded> {
    entry.users++;
    // The map is ordered by last use.
    this.#open.delete(id);
    this.#open.set(id, entry);
    let held = true;
    return {
      loaded: entry.loaded,
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#release(id, entry);
      },
    };
  }

  #release(id: string, entry: Entry<Loaded>): void {
    if (--entry.users > 0) return;
    // How closing ends does not concern the last run on a retired adapter.
    if (entry.retired) void this.#close(id, entry).catch(() => {});
    this.#changes.notify();
  }
}

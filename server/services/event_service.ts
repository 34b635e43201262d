/** Follows what happens in an account: reads on in its events whenever the database says that there are new ones. */
import { Notifier, unlessAborted } from "../../lib/async.ts";
import type { Caller } from "../auth/authenticate.ts";
import type { SessionStore } from "../store/devices/session_store.ts";
import { EVENT_PAGE_SIZE, type EventStore, type StoredEvent } from "../store/events/event_store.ts";
import { ApiError } from "../../lib/errors.ts";
import { type Announcements, whileSignedIn } from "../store/jobs/announcements.ts";

export interface EventServiceOptions {
  events: EventStore;
  sessions: Pick<SessionStore, "isSignedIn">;
  announcements: Announcements;
}

export interface EventsRequest {
  /** The last event that the reader has seen; absent: it wants what happens from now on. */
  after?: number;
  signal: AbortSignal;
}

/** The events of an account from one on. */
export interface EventStream {
  /** The event before the first one that follows. */
  readonly from: number;
  /** Whether that is the one which the reader had seen last, so that it misses none. */
  readonly resumed: boolean;
  /** The events, some at a time, until the signal aborts. @throws ApiError `unauthorized` */
  readonly pages: AsyncGenerator<readonly StoredEvent[]>;
}

export interface EventService {
  /** @throws ApiError `unauthorized`, then or while it is read, when the device is shut out or the session ends */
  follow(caller: Caller, request: EventsRequest): Promise<EventStream>;
}

/** The readers of one account. */
interface Feed {
  readers: number;
  readonly news: Notifier;
  /** Reads that have begun since the last news, by the event that they read after. */
  reads: Map<number, Promise<readonly StoredEvent[]>>;
}

/** Wakes the readers of each account, and reads once for those that have come equally far. */
class AccountFeeds {
  readonly #events: EventStore;
  readonly #feeds = new Map<string, Feed>();

  constructor({ events, announcements }: Pick<EventServiceOptions, "events" | "announcements">) {
    this.#events = events;
    announcements.on("events", (accountId) => this.#wake(this.#feeds.get(accountId)));
    announcements.on("missed", () => {
      for (const feed of this.#feeds.values()) this.#wake(feed);
    });
  }

  #wake(feed: Feed | undefined): void {
    if (feed === undefined) return;
    // Reads that began before may lack what is new.
    feed.reads = new Map();
    feed.news.notify();
  }

  /** Pages of events after the given one, until the signal aborts. */
  async *pages(
    accountId: string,
    { from, signal }: { from: number; signal: AbortSignal },
  ): AsyncGenerator<readonly StoredEvent[]> {
    const feed = this.#feeds.get(accountId) ?? { readers: 0, news: new Notifier(), reads: new Map() };
    feed.readers++;
    this.#feeds.set(accountId, feed);
    try {
      for (let last = from; !signal.aborted;) {
        const { next } = feed.news;
        const page = await this.#read(feed, { accountId, after: last });
        if (page.length > 0) yield page;
        last = page.at(-1)?.id ?? last;
        if (page.length < EVENT_PAGE_SIZE) await unlessAborted(next, signal);
      }
    } finally {
      if (--feed.readers === 0) this.#feeds.delete(accountId);
    }
  }

  #read(
    feed: Feed,
    { accountId, after }: { accountId: string; after: number },
  ): Promise<readonly StoredEvent[]> {
    const running = feed.reads.get(after);
    if (running !== undefined) return running;
    const read = this.#events.after(accountId, after);
    feed.reads.set(after, read);
    read.catch(() => feed.reads.delete(after));
    return read;
  }
}

/** Makes the service of events. */
export function createEventService({ events, sessions, announcements }: EventServiceOptions): EventService {
  const feeds = new AccountFeeds({ events, announcements });
  async function* untilEnded(
    accountId: string,
    { from, signal }: { from: number; signal: AbortSignal },
  ): AsyncGenerator<readonly StoredEvent[]> {
    yield* feeds.pages(accountId, { from, signal });
    if (signal.reason instanceof ApiError) throw signal.reason;
  }
  return {
    async follow(caller, { after, signal: leaving }) {
      const signal = await whileSignedIn({ announcements, sessions }, { holder: caller, signal: leaving });
      const { newest, oldest } = await events.range(caller.accountId);
      const isThere = after !== undefined &&
        (after === newest || (after < newest && oldest !== null && oldest <= after + 1));
      const from = isThere ? after : newest;
      return { from, resumed: isThere, pages: untilEnded(caller.accountId, { from, signal }) };
    },
  };
}

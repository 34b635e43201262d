/** The cache of generated replies in memory and Deno KV: which requests share one, for how long, how it is cleared. */
import type { GenerateResult } from "../../contract/ml.ts";
import type { Metrics } from "../../lib/metrics.ts";
import { MemoryCache } from "./memory_cache.ts";

/** A reply as it is cached. */
export type CachedReply =
  & Pick<GenerateResult, "response" | "confidence" | "tokens_used" | "finish_reason">
  & {
    prompt_tokens: number;
  };

/** The model and adapter that wrote a reply; others would have written something else. */
export interface CacheScope {
  modelId: string;
  adapterId?: string;
}

export interface ResponseCache {
  /** The reply under a key, if it is of this scope and not expired. */
  get(key: string, scope: CacheScope): Promise<CachedReply | null>;
  /** Caches a reply, unless it is too large for the store. */
  set(key: string, entry: CacheScope & { reply: CachedReply }): Promise<void>;
  /** Deletes the replies whose key matches a glob (`*` any text, `?` one character); returns how many. */
  invalidate(glob: string): Promise<number>;
  /** Deletes the replies that an adapter wrote. */
  deleteOfAdapter(adapterId: string): Promise<void>;
}

export interface ResponseCacheOptions {
  kv: Deno.Kv;
  metrics: Metrics;
  /** How many replies are also in memory. */
  memoryEntries?: number;
  memoryBytes?: number;
  ttlMs?: number;
  /** Epoch milliseconds. */
  now?: () => number;
}

/** What is stored. */
interface Entry {
  reply: CachedReply;
  modelId: string;
  adapterId: string | null;
  /** Epoch milliseconds. KV deletes expired entries with a delay. */
  expiresAt: number;
}

const PREFIX = "response";
const DEFAULT_TTL_MS = 24 * 3_600_000;
/** KV rejects a value above 64 KiB; UTF-16 text of this length takes half of that. */
const MAX_RESPONSE_LENGTH = 16_000;
/** KV rejects a commit with more mutations. */
const MAX_MUTATIONS = 1_000;
/** A reply of usual length takes about 1 kB. */
const MEMORY_ENTRIES = 10_000;
const MEMORY_BYTES = 16 * 1024 * 1024;
/** What an entry takes besides its texts. */
const ENTRY_OVERHEAD_BYTES = 512;
/** JavaScript stores text outside Latin-1 with two bytes a unit. */
const BYTES_PER_UNIT = 2;

/**
 * Whether a glob matches an entire text: `*` is any text, `?` one character.
 *
 * Only the latest `*` is extended on a mismatch, so that the time is bounded by the product of both lengths; a regular
 * expression with many stars would have no such bound.
 */
export function matchesGlob(text: string, glob: string): boolean {
  const characters = Array.from(text);
  const pattern = Array.from(glob);
  let star = -1;
  let starAt = 0;
  let at = 0;
  let next = 0;
  while (at < characters.length) {
    if (pattern[next] === "*") {
      star = next++;
      starAt = at;
    } else if (pattern[next] === "?" || pattern[next] === characters[at]) {
      at++;
      next++;
    } else if (star >= 0) {
      at = ++starAt;
      next = star + 1;
    } else return false;
  }
  return pattern.slice(next).every((character) => character === "*");
}

function sizeBytesOf(key: string, { reply }: Entry): number {
  return ENTRY_OVERHEAD_BYTES + BYTES_PER_UNIT * (key.length + reply.response.length);
}

/** Counts look-ups by where the reply was found, and shows the share of those that found one. */
function registerMetrics(metrics: Metrics, memory: MemoryCache<Entry>) {
  const seen = { memory: 0, store: 0, miss: 0 };
  const lookups = metrics.counter(
    "ml_cache_lookups_total",
    "Look-ups of the response cache by what they found",
    {
      labels: ["result"],
    },
  );
  metrics.gauge("ml_cache_hit_ratio", "Share of look-ups since the start that found a reply", {
    read() {
      const hits = seen.memory + seen.store;
      const all = hits + seen.miss;
      return all === 0 ? [] : [{ value: hits / all }];
    },
  });
  metrics.gauge("ml_cache_memory_bytes", "Estimated size of the cached replies in memory", {
    read: () => [{ value: memory.sizeBytes }],
  });
  return (result: keyof typeof seen) => {
    seen[result]++;
    lookups.inc({ result });
  };
}

/** Makes a cache on a KV store, with the replies used last in memory. */
export function createResponseCache(options: ResponseCacheOptions): ResponseCache {
  const { kv, metrics, ttlMs = DEFAULT_TTL_MS, now = Date.now } = options;
  const { memoryEntries: maxEntries = MEMORY_ENTRIES, memoryBytes: maxBytes = MEMORY_BYTES } = options;
  const memory = new MemoryCache<Entry>({ maxEntries, maxBytes, sizeBytesOf });
  const count = registerMetrics(metrics, memory);

  async function keysWhere(matches: (key: string, entry: Entry) => boolean): Promise<Deno.KvKey[]> {
    const keys: Deno.KvKey[] = [];
    for await (const { key, value } of kv.list<Entry>({ prefix: [PREFIX] })) {
      if (matches(String(key[1]), value)) keys.push(key);
    }
    return keys;
  }

  async function deleteAll(keys: readonly Deno.KvKey[]): Promise<void> {
    for (let from = 0; from < keys.length; from += MAX_MUTATIONS) {
      const commit = kv.atomic();
      for (const key of keys.slice(from, from + MAX_MUTATIONS)) commit.delete(key);
      await commit.commit();
    }
  }

  /** Deletes what matches; returns how many the store held. */
  function deleteWhere(matches: (key: string, entry: Entry) => boolean): Promise<number> {
    return memory.delete(matches, async () => {
      const keys = await keysWhere(matches);
      await deleteAll(keys);
      return keys.length;
    });
  }

  return {
    async get(key, { modelId, adapterId = null }) {
      const isValid = (entry: Entry) =>
        entry.expiresAt > now() && entry.modelId === modelId && entry.adapterId === adapterId;
      const kept = memory.get(key);
      const entry = kept ?? await memory.read(key, async () => (await kv.get<Entry>([PREFIX, key])).value);
      if (!entry || !isValid(entry)) {
        count("miss");
        return null;
      }
      count(kept ? "memory" : "store");
      return entry.reply;
    },

    async set(key, { reply, modelId, adapterId = null }) {
      if (reply.response.length > MAX_RESPONSE_LENGTH) return;
      const entry: Entry = { reply, modelId, adapterId, expiresAt: now() + ttlMs };
      await memory.write(key, entry, () => kv.set([PREFIX, key], entry, { expireIn: ttlMs }));
    },

    invalidate: (glob) => deleteWhere((key) => matchesGlob(key, glob)),

    async deleteOfAdapter(adapterId) {
      await deleteWhere((_, entry) => entry.adapterId === adapterId);
    },
  };
}

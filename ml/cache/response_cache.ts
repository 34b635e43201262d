/** The cache of generated replies in Deno KV: which requests share one, for how long, and how it is cleared. */
import { createHash } from "node:crypto";
import type { GenerateRequest, GenerateResult } from "../../contract/ml.ts";

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

/** Whether equal requests should get the same reply. */
function isRepeatable(request: GenerateRequest): boolean {
  return request.temperature === 0 || request.seed !== undefined || request.cache_key !== undefined;
}

/** The key of a request: the caller's own, or a hash of all that shapes the reply. Null: not cacheable. */
export function cacheKeyOf(request: GenerateRequest, modelId: string): string | null {
  if (!isRepeatable(request)) return null;
  const { cache_key: ownKey, conversation_id: _, ...shaping } = request;
  if (ownKey !== undefined) return ownKey;
  const fields = Object.entries(shaping).sort(([a], [b]) => a < b ? -1 : 1);
  return createHash("sha256").update(JSON.stringify([modelId, fields])).digest("hex");
}

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

/** Makes a cache on a KV store. */
export function createResponseCache(options: ResponseCacheOptions): ResponseCache {
  const { kv, ttlMs = DEFAULT_TTL_MS, now = Date.now } = options;

  async function keysWhere(matches: (entry: Deno.KvEntry<Entry>) => boolean): Promise<Deno.KvKey[]> {
    const keys: Deno.KvKey[] = [];
    for await (const entry of kv.list<Entry>({ prefix: [PREFIX] })) {
      if (matches(entry)) keys.push(entry.key);
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

  return {
    async get(key, { modelId, adapterId = null }) {
      const { value } = await kv.get<Entry>([PREFIX, key]);
      if (!value || value.expiresAt <= now()) return null;
      return value.modelId === modelId && value.adapterId === adapterId ? value.reply : null;
    },

    async set(key, { reply, modelId, adapterId = null }) {
      if (reply.response.length > MAX_RESPONSE_LENGTH) return;
      const entry: Entry = { reply, modelId, adapterId, expiresAt: now() + ttlMs };
      await kv.set([PREFIX, key], entry, { expireIn: ttlMs });
    },

    async invalidate(glob) {
      const keys = await keysWhere(({ key }) => matchesGlob(String(key[1]), glob));
      await deleteAll(keys);
      return keys.length;
    },

    async deleteOfAdapter(adapterId) {
      await deleteAll(await keysWhere(({ value }) => value.adapterId === adapterId));
    },
  };
}

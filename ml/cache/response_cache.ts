/** Owns the cache of generated replies in Deno KV: which requests may share one, for how long, and forgetting. */
import { createHash } from "node:crypto";
import type { GenerateRequest, GenerateResult } from "../../contract/ml.ts";
import { matchesGlob } from "./glob.ts";

/** A reply as it is kept. */
export type CachedReply =
  & Pick<GenerateResult, "response" | "confidence" | "tokens_used" | "finish_reason">
  & {
    prompt_tokens: number;
  };

/** Whose replies are meant: another model or adapter would have written something else. */
export interface CacheScope {
  modelId: string;
  adapterId?: string;
}

export interface ResponseCache {
  /** The reply under a key, when it is of this scope and not too old. */
  get(key: string, scope: CacheScope): Promise<CachedReply | null>;
  /** Keeps a reply; one too large for the store is not kept. */
  set(key: string, entry: CacheScope & { reply: CachedReply }): Promise<void>;
  /** Forgets every reply whose key matches a glob (`*` any text, `?` one character); returns how many. */
  invalidate(glob: string): Promise<number>;
  /** Forgets every reply that an adapter wrote. */
  forgetAdapter(adapterId: string): Promise<void>;
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
  /** Epoch milliseconds. KV deletes an expired entry some time later, not at once. */
  expiresAt: number;
}

const PREFIX = "response";
const DEFAULT_TTL_MS = 24 * 3_600_000;
/** KV refuses a value above 64 KiB; UTF-16 text of this length takes half of that. */
const MAX_RESPONSE_LENGTH = 16_000;
/** KV refuses a commit with more mutations. */
const MAX_MUTATIONS = 1_000;

/** Whether two equal requests are meant to give the same reply. */
function isRepeatable(request: GenerateRequest): boolean {
  return request.temperature === 0 || request.seed !== undefined || request.cache_key !== undefined;
}

/** The key of a request: the caller's own, or a hash of all that shapes the reply. Null: not to be cached. */
export function cacheKeyOf(request: GenerateRequest, modelId: string): string | null {
  if (!isRepeatable(request)) return null;
  const { cache_key: ownKey, conversation_id: _, ...shaping } = request;
  if (ownKey !== undefined) return ownKey;
  const fields = Object.entries(shaping).sort(([a], [b]) => a < b ? -1 : 1);
  return createHash("sha256").update(JSON.stringify([modelId, fields])).digest("hex");
}

/** Makes a cache on a KV store. */
export function createResponseCache(options: ResponseCacheOptions): ResponseCache {
  const { kv, ttlMs = DEFAULT_TTL_MS, now = Date.now } = options;

  async function keysWhere(isMeant: (entry: Deno.KvEntry<Entry>) => boolean): Promise<Deno.KvKey[]> {
    const keys: Deno.KvKey[] = [];
    for await (const entry of kv.list<Entry>({ prefix: [PREFIX] })) {
      if (isMeant(entry)) keys.push(entry.key);
    }
    return keys;
  }

  async function forget(keys: readonly Deno.KvKey[]): Promise<void> {
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
      await forget(keys);
      return keys.length;
    },

    async forgetAdapter(adapterId) {
      await forget(await keysWhere(({ value }) => value.adapterId === adapterId));
    },
  };
}

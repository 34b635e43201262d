/** Tests the response cache on Deno KV: which requests share a reply, globs, age, models. */
import assert from "node:assert/strict";
import { type GenerateInput, generateRequestSchema } from "../../contract/ml.ts";
import { createMetrics } from "../../lib/metrics.ts";
import { cacheKeyOf } from "../services/generation_service.ts";
import { type CachedReply, createResponseCache } from "./response_cache.ts";

const REPLY: CachedReply = {
  response: "sounds good",
  confidence: 0.5,
  tokens_used: 2,
  finish_reason: "stop",
  prompt_tokens: 9,
};
const SCOPE = { modelId: "tiny" };

function keyOf(input: Partial<GenerateInput>, modelId = "tiny"): string | null {
  return cacheKeyOf(generateRequestSchema.parse({ prompt: "Them: hi\nMe:", ...input }), modelId);
}

async function withKv(use: (kv: Deno.Kv) => Promise<void>): Promise<void> {
  const kv = await Deno.openKv(":memory:");
  try {
    await use(kv);
  } finally {
    kv.close();
  }
}

Deno.test("only a repeatable request has a key: temperature 0, a seed, or a key of its own", () => {
  assert.equal(keyOf({ temperature: 0.7 }), null);
  assert.match(keyOf({ temperature: 0 }) ?? "", /^[0-9a-f]{64}$/);
  assert.ok(keyOf({ seed: 1 }));
  assert.equal(keyOf({ cache_key: "mine" }), "mine");
});

Deno.test("the key holds everything that shapes a reply, and nothing else", () => {
  const base = { temperature: 0 };
  const same = keyOf(base);
  assert.equal(keyOf({ ...base, conversation_id: "c1", account_id: "a1", background: true }), same);
  assert.equal(keyOf({ temperature: 0, max_tokens: 256 }), same, "a default written out changes nothing");
  const different: Partial<GenerateInput>[] = [
    { prompt: "Them: ho\nMe:" },
    { max_tokens: 10 },
    { top_p: 0.5 },
    { repeat_penalty: 1 },
    { stop: [] },
    { seed: 1 },
    { top_k: 5 },
    { min_p: 0.1 },
    { adapter_id: "mine" },
    { raw: true },
    { verbatim: true },
    { presence_penalty: 1 },
    { frequency_penalty: 1 },
    { temperature: 0.1, seed: 1 },
  ];
  const keys = different.map((change) => keyOf({ ...base, ...change }));
  assert.equal(new Set([same, keyOf(base, "other-model"), ...keys]).size, different.length + 2);
});

Deno.test("a cached reply is found again, but not for another model or adapter", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ metrics: createMetrics(), kv });
    await cache.set("k", { ...SCOPE, reply: REPLY });
    assert.deepEqual(await cache.get("k", SCOPE), REPLY);
    assert.equal(await cache.get("other", SCOPE), null);
    assert.equal(await cache.get("k", { modelId: "other" }), null);
    assert.equal(await cache.get("k", { ...SCOPE, adapterId: "mine" }), null);
  });
});

Deno.test("an expired reply is not returned, even while the store still holds it", async () => {
  await withKv(async (kv) => {
    let now = 1_000;
    const cache = createResponseCache({ metrics: createMetrics(), kv, ttlMs: 60_000, now: () => now });
    await cache.set("k", { ...SCOPE, reply: REPLY });
    now += 59_999;
    assert.deepEqual(await cache.get("k", SCOPE), REPLY);
    now += 1;
    assert.equal(await cache.get("k", SCOPE), null);
  });
});

Deno.test("a glob deletes what it matches, and only that", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ metrics: createMetrics(), kv });
    const keys = ["chat:1", "chat:2", "chat.1", "other", "chat:12", "a*b"];
    for (const key of keys) await cache.set(key, { ...SCOPE, reply: REPLY });
    assert.equal(await cache.invalidate("chat:?"), 2);
    assert.equal(await cache.invalidate("chat:?"), 0);
    assert.equal(await cache.invalidate("chat:*"), 1);
    assert.deepEqual(await cache.get("chat.1", SCOPE), REPLY, "a dot is a dot");
    assert.equal(await cache.invalidate("*"), 3);
  });
});

Deno.test("thousands of replies are deleted in one call", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ metrics: createMetrics(), kv });
    const count = 2_100;
    await Promise.all(Array.from({ length: count }, (_, index) => {
      return cache.set(`bulk:${index}`, { ...SCOPE, reply: REPLY });
    }));
    assert.equal(await cache.invalidate("bulk:*"), count);
  });
});

Deno.test("a reply too large for the store is not cached", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ metrics: createMetrics(), kv });
    await cache.set("long", { ...SCOPE, reply: { ...REPLY, response: "é".repeat(100_000) } });
    assert.equal(await cache.get("long", SCOPE), null);
    await cache.set("fits", { ...SCOPE, reply: { ...REPLY, response: "é".repeat(16_000) } });
    assert.ok(await cache.get("fits", SCOPE));
  });
});

/** A KV store whose reads and writes wait, once they are done, until the test releases them. */
function slowKv(kv: Deno.Kv, released: Promise<void>): Deno.Kv {
  const slow = async <Result>(work: Promise<Result>): Promise<Result> => {
    const result = await work;
    await released;
    return result;
  };
  return new Proxy(kv, {
    get(target, name) {
      if (name === "get") return (key: Deno.KvKey) => slow(target.get(key));
      if (name === "set") return (key: Deno.KvKey, value: unknown) => slow(target.set(key, value));
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function valueOf(text: string, metric: string): number {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`assistant_${metric} `));
  return Number(line?.split(" ").at(-1));
}

Deno.test("a reply in memory is found without the store, and a restarted service finds it in the store", async () => {
  await withKv(async (kv) => {
    const metrics = createMetrics();
    const cache = createResponseCache({ kv, metrics });
    await cache.set("k", { ...SCOPE, reply: REPLY });
    await kv.delete(["response", "k"]);
    assert.deepEqual(await cache.get("k", SCOPE), REPLY, "from memory");
    assert.equal(await cache.get("none", SCOPE), null);

    await cache.set("k", { ...SCOPE, reply: REPLY });
    const after = createMetrics();
    const restarted = createResponseCache({ kv, metrics: after });
    assert.deepEqual(await restarted.get("k", SCOPE), REPLY, "from the store");
    await kv.delete(["response", "k"]);
    assert.deepEqual(await restarted.get("k", SCOPE), REPLY, "from memory by now");

    assert.equal(valueOf(await metrics.render(), "ml_cache_hit_ratio"), 1 / 2);
    const shown = await after.render();
    assert.equal(valueOf(shown, 'ml_cache_lookups_total{result="store"}'), 1);
    assert.equal(valueOf(shown, 'ml_cache_lookups_total{result="memory"}'), 1);
    assert.equal(valueOf(shown, "ml_cache_hit_ratio"), 1);
  });
});

Deno.test("memory is bounded by count and by bytes; what has no room there is in the store", async () => {
  await withKv(async (kv) => {
    const metrics = createMetrics();
    const bounds = { memoryEntries: 3, memoryBytes: 10_000 };
    const cache = createResponseCache({ kv, metrics, ...bounds });
    const inMemory = async () => {
      const before = valueOf(await metrics.render(), 'ml_cache_lookups_total{result="memory"}') || 0;
      for (const key of ["a", "b", "c", "d", "long"]) await cache.get(key, SCOPE);
      return (valueOf(await metrics.render(), 'ml_cache_lookups_total{result="memory"}') || 0) - before;
    };
    for (const key of ["a", "b", "c", "d"]) await cache.set(key, { ...SCOPE, reply: REPLY });
    await cache.set("long", { ...SCOPE, reply: { ...REPLY, response: "é".repeat(5_000) } });
    assert.ok(await inMemory() <= bounds.memoryEntries);
    assert.ok(valueOf(await metrics.render(), "ml_cache_memory_bytes") <= bounds.memoryBytes);
    for (const key of ["a", "b", "c", "d", "long"]) assert.ok(await cache.get(key, SCOPE), key);

    const long = { ...REPLY, response: "é".repeat(4_000) };
    for (const key of ["a", "b", "c"]) await cache.set(key, { ...SCOPE, reply: long });
    assert.ok(valueOf(await metrics.render(), "ml_cache_memory_bytes") <= bounds.memoryBytes);
  });
});

Deno.test("globs, adapters and age reach the replies in memory as they do those in the store", async () => {
  await withKv(async (kv) => {
    let now = 1_000;
    const cache = createResponseCache({ kv, metrics: createMetrics(), ttlMs: 60_000, now: () => now });
    const mine = { ...SCOPE, adapterId: "mine" };
    await cache.set("chat:1", { ...SCOPE, reply: REPLY });
    await cache.set("chat:2", { ...mine, reply: REPLY });
    await cache.set("other", { ...SCOPE, reply: REPLY });
    assert.equal(await cache.get("chat:2", SCOPE), null, "another adapter's");
    await cache.deleteOfAdapter("mine");
    assert.equal(await cache.get("chat:2", mine), null);
    assert.equal(await cache.invalidate("chat:*"), 1);
    assert.equal(await cache.get("chat:1", SCOPE), null);
    assert.ok(await cache.get("other", SCOPE));
    now += 60_000;
    assert.equal(await cache.get("other", SCOPE), null);
  });
});

Deno.test("a read or a write that a deletion overtakes leaves nothing in memory", async () => {
  await withKv(async (kv) => {
    const stored = createResponseCache({ kv, metrics: createMetrics() });
    await stored.set("k", { ...SCOPE, reply: REPLY });
    const { promise, resolve } = Promise.withResolvers<void>();
    const cache = createResponseCache({ kv: slowKv(kv, promise), metrics: createMetrics() });
    const reading = cache.get("k", SCOPE);
    const writing = cache.set("w", { ...SCOPE, reply: REPLY });
    while ((await kv.get(["response", "w"])).value === null);
    assert.equal(await cache.invalidate("*"), 2);
    resolve();
    await Promise.all([reading, writing]);
    assert.equal(await cache.get("k", SCOPE), null);
    assert.equal(await cache.get("w", SCOPE), null);
  });
});

Deno.test("a read that a write overtakes keeps what was written", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ kv, metrics: createMetrics(), memoryEntries: 1 });
    const later = { ...REPLY, response: "later" };
    await cache.set("k", { ...SCOPE, reply: REPLY });
    await cache.set("pushes k out of memory", { ...SCOPE, reply: REPLY });
    const reading = cache.get("k", SCOPE);
    await cache.set("k", { ...SCOPE, reply: later });
    await reading;
    assert.deepEqual(await cache.get("k", SCOPE), later);
  });
});

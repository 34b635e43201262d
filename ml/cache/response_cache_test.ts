/** Tests the response cache on Deno KV: which requests share a reply, globs, age, models. */
import assert from "node:assert/strict";
import { type GenerateInput, generateRequestSchema } from "../../contract/ml.ts";
import { type CachedReply, cacheKeyOf, createResponseCache } from "./response_cache.ts";

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
  assert.equal(keyOf({ ...base, conversation_id: "c1" }), same);
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
    { temperature: 0.1, seed: 1 },
  ];
  const keys = different.map((change) => keyOf({ ...base, ...change }));
  assert.equal(new Set([same, keyOf(base, "other-model"), ...keys]).size, different.length + 2);
});

Deno.test("a cached reply is found again, but not for another model or adapter", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ kv });
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
    const cache = createResponseCache({ kv, ttlMs: 60_000, now: () => now });
    await cache.set("k", { ...SCOPE, reply: REPLY });
    now += 59_999;
    assert.deepEqual(await cache.get("k", SCOPE), REPLY);
    now += 1;
    assert.equal(await cache.get("k", SCOPE), null);
  });
});

Deno.test("a glob deletes what it matches, and only that", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ kv });
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
    const cache = createResponseCache({ kv });
    const count = 2_100;
    await Promise.all(Array.from({ length: count }, (_, index) => {
      return cache.set(`bulk:${index}`, { ...SCOPE, reply: REPLY });
    }));
    assert.equal(await cache.invalidate("bulk:*"), count);
  });
});

Deno.test("a reply too large for the store is not cached", async () => {
  await withKv(async (kv) => {
    const cache = createResponseCache({ kv });
    await cache.set("long", { ...SCOPE, reply: { ...REPLY, response: "é".repeat(100_000) } });
    assert.equal(await cache.get("long", SCOPE), null);
    await cache.set("fits", { ...SCOPE, reply: { ...REPLY, response: "é".repeat(16_000) } });
    assert.ok(await cache.get("fits", SCOPE));
  });
});

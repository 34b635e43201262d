/** Tests the fake engine: it is deterministic, can be paused, and does not run outside tests by accident. */
import assert from "node:assert/strict";
import type { GenerationRequest } from "../../../ml/engine/engine.ts";
import { createFakeEngine } from "./fake_engine.ts";

const REQUEST: GenerationRequest = {
  prompt: "Them: hi\nMe:",
  maxTokens: 20,
  temperature: 0,
  topP: 1,
  repeatPenalty: 1,
  stop: [],
};

Deno.test("the fake engine refuses to be made outside tests", () => {
  assert.throws(() => createFakeEngine({ forTests: false }), TypeError);
});

Deno.test("equal requests give equal replies, in pieces that join to them", async () => {
  await using engine = createFakeEngine({ forTests: true });
  await assert.rejects(engine.generate(REQUEST), /No model is loaded/);
  await engine.load({ id: "fake", path: "" });
  const pieces: string[] = [];
  const first = await engine.generate(REQUEST, { onToken: (piece) => pieces.push(piece) });
  assert.equal(pieces.join(""), first.text);
  assert.equal((await engine.generate(REQUEST)).text, first.text);
  assert.notEqual((await engine.generate({ ...REQUEST, seed: 3 })).text, first.text);
  assert.equal((await engine.generate({ ...REQUEST, maxTokens: 2 })).finishReason, "length");
});

Deno.test("a paused generation ends when it is aborted", async () => {
  const held = Promise.withResolvers<void>();
  await using engine = createFakeEngine({ forTests: true, beforeWord: () => held.promise });
  await engine.load({ id: "fake", path: "" });
  const leaving = new AbortController();
  const generation = engine.generate(REQUEST, { signal: leaving.signal });
  leaving.abort(new Error("enough"));
  held.resolve();
  await assert.rejects(generation, /enough/);
  assert.equal(engine.occupancy.running, 0);
});

/** Tests grammars on the loop's logits: which tokens they allow, and how a token is chosen among them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { getLlama, type Token } from "node-llama-cpp";
import { silentLogger } from "../../../lib/log.ts";
import { buildTinyGguf } from "../../../tests/support/ml/tiny_gguf.ts";
import { inTempDir } from "../../../tests/support/process/temp_dir.ts";
import { type LoadedModel, loadModel } from "../llama/llama_model.ts";
import { seededRandom } from "../sampling.ts";
import { NativeGrammar, sampleWithin } from "./native_grammar.ts";

const PLAIN = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repeatPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};
const WORDS = ["yes", "yesterday", "no"];
const GRAMMAR = `root ::= ${WORDS.map((word) => JSON.stringify(word)).join(" | ")}`;

function grammarTest(name: string, use: (loaded: LoadedModel) => void): void {
  Deno.test(name, () =>
    inTempDir(async (dir) => {
      const path = await buildTinyGguf({ path: join(dir, "tiny.gguf") });
      await using llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
      await using loaded = await loadModel(llama, { id: "tiny", path }, {
        contextSize: 256,
        sequences: 1,
        threads: 1,
        adapterContexts: 1,
        log: silentLogger(),
      });
      use(loaded);
    }));
}

/** What a token spells; an end of the reply spells nothing. */
function textOf({ model }: LoadedModel, token: number): string | null {
  return model.isEogToken(token as Token) ? null : model.detokenize([token as Token], true);
}

/** The tokens that may follow a text, by their own spelling. */
function tokensAfter(loaded: LoadedModel, written: string): number[] {
  const tokens = Array.from({ length: loaded.native.vocabularySize }, (_, token) => token);
  return tokens.filter((token) => {
    const text = textOf(loaded, token);
    if (text === null) return WORDS.includes(written);
    return text !== "" && WORDS.some((word) => word.startsWith(written + text));
  });
}

grammarTest("a grammar allows the tokens that continue one of its texts, and no others", (loaded) => {
  const logits = new Float32Array(loaded.native.vocabularySize).fill(1);
  for (const word of WORDS) {
    using grammar = NativeGrammar.begin(loaded.native, GRAMMAR) ?? assert.fail();
    let written = "";
    for (const token of loaded.model.tokenize(word, false, "trimLeadingSpace")) {
      const expected = tokensAfter(loaded, written);
      assert.ok(expected.includes(token) && expected.length < logits.length);
      const masked = grammar.masked(logits);
      assert.deepEqual([...masked.keys()].filter((it) => masked[it] === 1), expected, `after "${written}"`);
      assert.deepEqual([...masked.keys()].filter((it) => grammar.allows(it)), expected);
      grammar.accept(token);
      written += textOf(loaded, token);
    }
    assert.equal(written, word);
    const ends = tokensAfter(loaded, word);
    assert.deepEqual([...logits.keys()].filter((it) => grammar.allows(it)), ends);
  }
});

grammarTest("a token is chosen among the allowed ones, with the model's own probability", (loaded) => {
  const random = seededRandom(7);
  const logits = Float32Array.from({ length: loaded.native.vocabularySize }, () => 8 * random());
  const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
  const allowed = tokensAfter(loaded, "");
  const seen = new Map<number, number>();
  const draws = 2_000;
  for (let draw = 0; draw < draws; draw++) {
    using grammar = NativeGrammar.begin(loaded.native, GRAMMAR) ?? assert.fail();
    const chosen = sampleWithin(grammar, logits, {
      ...PLAIN,
      generated: [],
      random,
      isMisplaced: () => false,
    });
    assert.ok(chosen !== null && allowed.includes(chosen.token));
    const expected = Math.exp(logits[chosen.token] ?? NaN) / sum;
    assert.ok(Math.abs(chosen.probability - expected) < 1e-4 * expected, `${chosen.probability} ${expected}`);
    seen.set(chosen.token, (seen.get(chosen.token) ?? 0) + 1);
  }
  const weight = allowed.reduce((total, token) => total + Math.exp(logits[token] ?? NaN), 0);
  for (const token of allowed) {
    const share = Math.exp(logits[token] ?? NaN) / weight;
    const spread = 5 * Math.sqrt(share * (1 - share) / draws);
    const actual = (seen.get(token) ?? 0) / draws;
    assert.ok(Math.abs(actual - share) <= spread + 1e-9, `token ${token}: ${actual} of ${share}`);
  }
});

grammarTest("a misplaced token is never chosen, and nothing is where every token is", (loaded) => {
  const logits = new Float32Array(loaded.native.vocabularySize).fill(1);
  const [only = -1, ...others] = tokensAfter(loaded, "");
  assert.ok(others.length > 0);
  const options = { ...PLAIN, generated: [], random: seededRandom(1) };
  using grammar = NativeGrammar.begin(loaded.native, GRAMMAR) ?? assert.fail();
  const chosen = sampleWithin(grammar, logits, { ...options, isMisplaced: (token) => token !== only });
  assert.equal(chosen?.token, only);
  assert.equal(sampleWithin(grammar, logits, { ...options, isMisplaced: () => true }), null);
});

grammarTest("what is no grammar is not begun", ({ native }) => {
  for (const text of ["root ::= (", 'other ::= "x"']) {
    assert.equal(NativeGrammar.begin(native, text), null);
  }
});

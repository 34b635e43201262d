// Cross-checks the typedstream encoder against node-typedstream, an independent reader.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type AttributedRun, encodeAttributedString, type EncodeOptions } from "./typedstream_encoder.ts";
import { type NSAttributedString, readWithOracle } from "./typedstream_oracle.ts";

function readBack(runs: AttributedRun[], options?: EncodeOptions): NSAttributedString {
  return readWithOracle(encodeAttributedString(runs, options));
}

const part = (index: number) => ({ __kIMMessagePartAttributeName: index });

Deno.test("a plain text is encoded to the bytes of its layout written by hand", () => {
  const hex =
    "040b73747265616d747970656481e803840140848484124e5341747472696275746564537472696e67008484084e534f626a656374" +
    "008592848484084e53537472696e67019484012b0568656c6c6f86840269490105928484840c4e5344696374696f6e617279009484016901" +
    "928496961d5f5f6b494d4d657373616765506172744174747269627574654e616d658692848484084e534e756d626572008484074e5356" +
    "616c7565009484012a84999900868686";
  const bytes = encodeAttributedString([{ text: "hello", attributes: part(0) }]);
  assert.equal(Buffer.from(bytes).toString("hex"), hex);
});

Deno.test("node-typedstream reads every text back, whatever its length, script and length form", () => {
  const sizes = [0, 1, 5, 126, 127, 128, 129, 255, 256, 257, 32767, 32768, 65535, 65536, 70000];
  const samples = ["a", "é", "\u2184", "🎉", "שלום", "\ufffc", "\r\u00a0 "];
  for (const sample of samples) {
    for (const size of sizes) {
      const text = sample.repeat(Math.ceil(size / sample.length)).slice(
        0,
        Math.floor(size / sample.length) * sample.length,
      );
      for (const mutable of [false, true]) {
        assert.equal(readBack([{ text, attributes: part(0) }], { mutable }).string, text);
      }
      assert.equal(readBack([{ text, attributes: part(0) }], { lengthForm: "four_bytes" }).string, text);
    }
  }
  assert.equal(
    readBack([{ text: "short", attributes: part(0) }], { lengthForm: "two_bytes" }).string,
    "short",
  );
});

Deno.test("node-typedstream reads runs and attributes back", () => {
  const read = readBack([
    { text: "see ", attributes: part(0) },
    { text: "\ufffc", attributes: { ...part(1), __kIMFileTransferGUIDAttributeName: "at_1_X" } },
    { text: " and ", attributes: part(2) },
    { text: "Ana", attributes: { ...part(2), __kIMMentionConfirmedMention: "+15550100001" } },
    { text: "!", attributes: part(2) },
    { text: "?", attributes: part(0) },
  ]);
  assert.equal(read.string, "see \ufffc and Ana!?");
  assert.deepEqual(read.runs, [
    { range: [0, 4], attributes: part(0) },
    { range: [4, 1], attributes: { ...part(1), __kIMFileTransferGUIDAttributeName: "at_1_X" } },
    { range: [5, 5], attributes: part(2) },
    { range: [10, 3], attributes: { ...part(2), __kIMMentionConfirmedMention: "+15550100001" } },
    { range: [13, 1], attributes: part(2) },
    { range: [14, 1], attributes: part(0) },
  ]);
});

Deno.test("numbers of every width, booleans, data and many references survive", () => {
  const values = [
    0,
    1,
    -1,
    127,
    128,
    -110,
    -111,
    -128,
    32767,
    32768,
    -32768,
    -32769,
    2147483647,
    -2147483648,
  ];
  const runs: AttributedRun[] = values.map((value, index) => ({
    text: "x",
    attributes: { [`k${index}`]: value },
  }));
  for (let index = 0; index < 300; index++) {
    runs.push({ text: "y", attributes: { [`name${index}`]: `value${index % 7}` } });
  }
  runs.push({ text: "z", attributes: { flag: true, data: new Uint8Array([0, 1, 2, 200]) } });
  const read = readBack(runs);
  assert.equal(read.runs.length, runs.length);
  for (const [index, run] of runs.slice(0, -1).entries()) {
    assert.deepEqual(read.runs[index]?.attributes, run.attributes);
  }
  assert.equal(read.runs.at(-1)?.attributes.flag, 1);
  assert.deepEqual([...read.runs.at(-1)?.attributes.data as Uint8Array], [0, 1, 2, 200]);
});

Deno.test("any well-formed text in any runs is read back as it was", () => {
  const run = fc.record({
    text: fc.string({ unit: "grapheme", maxLength: 300 }),
    attributes: fc.dictionary(
      fc.string({ unit: "grapheme", minLength: 1 }),
      fc.oneof(fc.string(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    ),
  });
  fc.assert(fc.property(fc.array(run, { minLength: 1, maxLength: 6 }), fc.boolean(), (runs, mutable) => {
    assert.equal(readBack(runs, { mutable }).string, runs.map(({ text }) => text).join(""));
  }));
});

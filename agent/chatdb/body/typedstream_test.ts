// Checks the body decoder against real archives, the independent node-typedstream, and hostile bytes.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type AttributedRun,
  encodeAttributedString,
} from "../../../tests/support/typedstream/typedstream_encoder.ts";
import { readWithOracle } from "../../../tests/support/typedstream/typedstream_oracle.ts";
import { decodeBodyRuns } from "./body_runs.ts";
import { decodeAttributedBody } from "./typedstream.ts";

const part = { __kIMMessagePartAttributeName: 0 };

function encode(text: string, options?: Parameters<typeof encodeAttributedString>[1]): Uint8Array {
  return encodeAttributedString([{ text, attributes: part }], options);
}

function bytesOf(latin1: string): Uint8Array {
  return Uint8Array.from(latin1, (char) => char.charCodeAt(0));
}

/** The text, or the name of the kind that has none. */
function decoded(body: Uint8Array): string {
  const result = decodeAttributedBody(body);
  return result.kind === "text" ? result.text : `(${result.kind})`;
}

/** The opening of an archive up to its string's length, built here by hand and not by the encoder. */
const OPENING =
  "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\0\x84\x84\x08NSObject\0\x85" +
  "\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+";

const MUTABLE_OPENING =
  "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x19NSMutableAttributedString\0" +
  "\x84\x84\x12NSAttributedString\0\x84\x84\x08NSObject\0\x85\x92\x84\x84\x84\x0fNSMutableString\x01" +
  "\x84\x84\x08NSString\x01\x95\x84\x01+";

Deno.test("a body in NSArchiver's layout is decoded to its text", () => {
  const ending = (units: string, superclass: string) =>
    `\x86\x84\x02iI\x01${units}\x92\x84\x84\x84\x0cNSDictionary\0${superclass}\x84\x01i\0\x86\x86`;
  assert.equal(decoded(bytesOf(`${OPENING}\x05hello${ending("\x05", "\x94")}`)), "hello");
  assert.equal(decoded(bytesOf(`${MUTABLE_OPENING}\x05hello${ending("\x05", "\x95")}`)), "hello");
  assert.equal(decoded(bytesOf(`${OPENING}\x03\xef\xbf\xbc${ending("\x01", "\x94")}`)), "\ufffc");
  const coffee = "\x09caf\xc3\xa9 \xe2\x98\x95";
  assert.equal(decoded(bytesOf(`${OPENING}${coffee}${ending("\x06", "\x94")}`)), "café ☕");
  const long = `\x81\xc8\0${"x".repeat(200)}${ending("\x81\xc8\0", "\x94")}`;
  assert.equal(decoded(bytesOf(`${OPENING}${long}`)), "x".repeat(200));
});

Deno.test("a length is one byte, 0x81 with two bytes or 0x82 with four, all unsigned and little-endian", () => {
  const lengths: [string, number][] = [
    ["\x01", 1],
    ["\x7f", 127],
    ["\x0a", 10],
    ["\x92", 146],
    ["\xff", 255],
    ["\x81\x80\x00", 128],
    ["\x81\x05\x00", 5],
    ["\x81\xff\x7f", 32_767],
    ["\x81\x00\x80", 32_768],
    ["\x81\xff\xff", 65_535],
    ["\x82\x00\x00\x01\x00", 65_536],
    ["\x82\x07\x00\x00\x00", 7],
    ["\x82\x10\x98\x02\x00", 170_000],
  ];
  for (const [length, sizeBytes] of lengths) {
    const text = "+".repeat(sizeBytes);
    assert.equal(
      decoded(bytesOf(`${OPENING}${length}${text}\x86\x86`)),
      text,
      `a text of ${sizeBytes} bytes`,
    );
  }
});

Deno.test("an empty text is distinguished from bytes that are not a body", () => {
  assert.deepEqual(decodeAttributedBody(encode("")), { kind: "empty" });
  assert.deepEqual(decodeAttributedBody(encode("", { mutable: true })), { kind: "empty" });
  assert.deepEqual(decodeAttributedBody(bytesOf(`${OPENING}\x81\x00\x00\x86\x86`)), { kind: "empty" });
  const noBodies = [
    "",
    "\x04",
    "bplist00\xd4\x01",
    "hello",
    OPENING,
    `${OPENING}\x85\x86\x86`,
    "\0".repeat(400),
  ];
  for (const bytes of noBodies) {
    assert.deepEqual(decodeAttributedBody(bytesOf(bytes)), { kind: "undecodable" });
  }
});

Deno.test("attribute strings after an empty text are never taken for the text", () => {
  const runs: AttributedRun[] = [{ text: "", attributes: part }];
  const body = encodeAttributedString(runs);
  const tail = encodeAttributedString([{
    text: "x",
    attributes: { longAttributeName: "a long attribute value" },
  }]);
  assert.deepEqual(decodeAttributedBody(Uint8Array.from([...body, ...tail])), { kind: "empty" });
});

Deno.test("a length that runs past the end, a float tag and a reserved tag are undecodable", () => {
  for (
    const length of [
      "\x06",
      "\x81\x06\x00",
      "\x81\x06",
      "\x82\x06\x00\x00\x00",
      "\x82\xff\xff\xff\xff",
      "\x82\x00",
    ]
  ) {
    assert.equal(decoded(bytesOf(`${OPENING}${length}short`)), "(undecodable)");
  }
  for (const tag of ["\x80", "\x83", "\x84", "\x86", "\x87", "\x91"]) {
    assert.equal(decoded(bytesOf(`${OPENING}${tag}${"a".repeat(300)}`)), "(undecodable)");
  }
});

Deno.test("200 kB of garbage after the text is ignored", () => {
  const body = encode("still here");
  const longer = new Uint8Array(body.length + 200_000).fill(0x84);
  longer.set(body);
  assert.equal(decoded(longer), "still here");
});

Deno.test("an archive whose bytes above 0x7f were replaced by question marks is undecodable", () => {
  const damaged = encode("Damaged in transfer").map((byte) => byte > 0x7f ? 0x3f : byte);
  assert.deepEqual(decodeAttributedBody(damaged), { kind: "undecodable" });
});

Deno.test("the bytes 86 84 inside UTF-8 do not end a text", () => {
  for (const text of ["\u2184", "a\u2184b\u2184", "\u2184".repeat(100), "\u{1f184}", "ↄ\u0184"]) {
    assert.equal(decoded(encode(text)), text);
  }
});

Deno.test("spaces, returns, byte order marks and placeholders stay in the text", () => {
  for (
    const text of [
      "Test ",
      "  a\r\n",
      "\u00a0",
      "\ufeffmark",
      "part 0\ufffcpart 2\ufffcpart 4",
      "+",
      "\n",
      "\x0a+\x2b",
    ]
  ) {
    assert.equal(decoded(encode(text)), text);
  }
});

Deno.test("an archive with another layout than Messages' is parsed by its grammar", () => {
  const subclass =
    "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x09IMBodyStr\x02\x84\x84\x12NSAttributedString\0" +
    "\x84\x84\x08NSObject\0\x85\x92\x84\x84\x84\x08NSString\x81\x01\x00\x95\x84\x01+\x05hello\x86\x86";
  assert.equal(decoded(bytesOf(subclass)), "hello");
  const otherRoot = OPENING.replace("NSAttributedString", "NSTributedAtString") + "\x05hello\x86\x86";
  assert.equal(decoded(bytesOf(otherRoot)), "(undecodable)");
  const otherString = OPENING.replace("NSString", "NSNumber") + "\x05hello\x86\x86";
  assert.equal(decoded(bytesOf(otherString)), "(undecodable)");
});

Deno.test("a body inside a larger buffer is decoded within its own bounds", () => {
  const body = encode("inside");
  const buffer = new Uint8Array(body.length + 40).fill(0x2b);
  buffer.set(body, 20);
  assert.equal(decoded(buffer.subarray(20, 20 + body.length)), "inside");
  assert.equal(decoded(buffer.subarray(20, 20 + OPENING.length + 3)), "(undecodable)");
});

const SAMPLES = [
  "a",
  "é",
  "\u2184",
  "🎉",
  "👩‍👩‍👧‍👦",
  "שלום ",
  "مرحبا",
  "日本語",
  "\ufffc",
  "\r\u00a0 ",
  "x\u0301",
  "+",
];
const SIZES = [
  0,
  1,
  2,
  3,
  64,
  126,
  127,
  128,
  129,
  145,
  146,
  147,
  254,
  255,
  256,
  257,
  1_000,
  32_767,
  32_768,
  65_535,
  65_536,
];

/** Texts of a given number of UTF-8 bytes, filled up with ASCII where the sample does not divide it. */
function textOfBytes(sample: string, sizeBytes: number): string {
  const sampleBytes = new TextEncoder().encode(sample).length;
  return sample.repeat(Math.floor(sizeBytes / sampleBytes)) + ".".repeat(sizeBytes % sampleBytes);
}

Deno.test("over 2,000 generated bodies give the text that node-typedstream reads", () => {
  let bodies = 0;
  const check = (body: Uint8Array, text: string): void => {
    const oracle = readWithOracle(body).string;
    assert.equal(oracle, text);
    assert.equal(decoded(body), oracle === "" ? "(empty)" : oracle);
    bodies++;
  };
  for (const sample of SAMPLES) {
    for (const sizeBytes of SIZES) {
      const text = textOfBytes(sample, sizeBytes);
      for (const mutable of [false, true]) check(encode(text, { mutable }), text);
      check(encode(text, { lengthForm: "four_bytes" }), text);
    }
  }
  const texts = fc.array(
    fc.oneof(fc.constantFrom(...SAMPLES), fc.string({ unit: "grapheme", maxLength: 60 })),
  );
  fc.assert(
    fc.property(texts, fc.boolean(), (pieces, mutable) => {
      const runs = pieces.map((text, index) => ({
        text,
        attributes: { __kIMMessagePartAttributeName: index },
      }));
      check(encodeAttributedString(runs, { mutable }), pieces.join(""));
    }),
    { numRuns: 1_500 },
  );
  assert.ok(bodies >= 2_000, `only ${bodies} bodies were checked`);
});

/** Decoding must end, without a throw, in one of the three kinds; runs must be a list. */
function survives(bytes: Uint8Array): void {
  const { kind } = decodeAttributedBody(bytes);
  assert.ok(kind === "text" || kind === "empty" || kind === "undecodable");
  assert.ok(Array.isArray(decodeBodyRuns(bytes)));
}

const bodies = fc.array(fc.record({
  text: fc.string({ unit: "grapheme", maxLength: 40 }),
  attributes: fc.constantFrom(part, { ...part, __kIMFileTransferGUIDAttributeName: "at_0_X" }, {
    __kIMLinkAttributeName: new URL("https://example.test/"),
    IMAudioTranscription: "hello",
    data: new Uint8Array(40),
  }),
})).map((runs) => encodeAttributedString(runs));

Deno.test("any bytes are decoded without an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), survives), { numRuns: 2_000 });
  const afterOpening = fc.uint8Array({ maxLength: 300 }).map((tail) =>
    Uint8Array.from([...bytesOf(OPENING), ...tail])
  );
  fc.assert(fc.property(afterOpening, survives), { numRuns: 2_000 });
  const tags = fc.array(
    fc.constantFrom(0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x92, 0x93, 0x94, 0x01, 0x40, 0x2b, 0x69),
  );
  const nested = tags.map((tail) => Uint8Array.from([...bytesOf(OPENING.slice(0, 16)), ...tail]));
  fc.assert(fc.property(nested, survives), { numRuns: 2_000 });
});

Deno.test("a changed or shortened body is decoded without an exception, and a shortened one never to other text", () => {
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(bodies, changes, (body, edits) => {
      const changed = body.slice();
      for (const [at, byte] of edits) changed[at % changed.length] = byte;
      survives(changed);
    }),
    { numRuns: 3_000 },
  );
  fc.assert(
    fc.property(bodies, fc.nat(), (body, cut) => {
      const shortened = body.subarray(0, cut % body.length);
      survives(shortened);
      assert.ok(["(undecodable)", decoded(body)].includes(decoded(shortened)));
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("deep nesting, endless class chains and huge shared strings end in one of the three kinds", () => {
  const header = OPENING.slice(0, 16);
  survives(bytesOf(`${OPENING}\x01a\x86${"\x92\x84\x85".repeat(100_000)}`));
  survives(bytesOf(`${header}\x84\x01@\x84${"\x84\x92\x00".repeat(100_000)}`));
  // A class that is its own ancestor: O0 is the object, O1 its class, and the chain ends with a reference to O1.
  survives(bytesOf(`${header}\x84\x01@\x84\x84\x84\x01A\x00\x93\x86`));
  const oneHugeString = "k".repeat(60_000);
  const dictionary =
    `\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x81\x60\xea${oneHugeString}\x86\x92\x85\x86`;
  const runs = "\x97\x01\x01\x92\x97".repeat(20_000);
  const oneDictionaryInEachRun = bytesOf(`${OPENING}\x01a\x86\x84\x02iI\x01\x01${dictionary}${runs}\x86`);
  survives(oneDictionaryInEachRun);
  assert.equal(decodeBodyRuns(oneDictionaryInEachRun).length, 20_001);
});

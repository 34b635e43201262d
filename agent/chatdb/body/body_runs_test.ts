// Checks the attribute runs of message bodies: parts, attachments, mentions, links, transcripts, and damaged archives.
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBody } from "../../../tests/support/chat_db/body.ts";
import { encodeAttributedString } from "../../../tests/support/typedstream/typedstream_encoder.ts";
import { readWithOracle } from "../../../tests/support/typedstream/typedstream_oracle.ts";
import { type BodyRun, decodeBodyRuns } from "./body_runs.ts";
import { decodeAttributedBody } from "./typedstream.ts";

const NOTHING = { partIndex: null, attachmentGuid: null, mention: null, link: null, transcript: null };

function run(start: number, length: number, attributes: Partial<BodyRun>): BodyRun {
  return { start, length, ...NOTHING, ...attributes };
}

/**
 * An attachment, a mention and a link in the layout of macOS 27: references to keys and numbers, numbers of the types
 * i, q and c, and a run that names an earlier dictionary (imessage-chatdb docs/TYPEDSTREAM.md §8.1).
 */
const WRITTEN_LIKE_MACOS =
  "040b73747265616d747970656481e803840140848484194e534d757461626c6541747472696275746564537472696e67008484124e53417474" +
  "72696275746564537472696e67008484084e534f626a6563740085928484840f4e534d757461626c65537472696e67018484084e5353747269" +
  "6e67019584012b23efbfbc2061736b20404164612068747470733a2f2f782e6578616d706c652f6e6f746586840269490101928484840c4e53" +
  "44696374696f6e61727900958401690392849898225f5f6b494d46696c655472616e73666572475549444174747269627574654e616d658692" +
  "8498981361745f305f544553542d4f4e4c592d475549448692849898265f5f6b494d4261736557726974696e67446972656374696f6e417474" +
  "7269627574654e616d658692848484084e534e756d626572008484074e5356616c7565009584012a848401719fff86928498981d5f5f6b494d" +
  "4d657373616765506172744174747269627574654e616d658692849f9e849b9b00868699020592849a9b01928498981d5f5f6b494d4d657373" +
  "616765506172744174747269627574654e616d658692849f9ea49b01868699030492849a9b02928498981d5f5f6b494d4d6573736167655061" +
  "72744174747269627574654e616d658692a7928498981c5f5f6b494d4d656e74696f6e436f6e6669726d65644d656e74696f6e869284989809" +
  "2b3135353530313737868699020199041692849a9b0392849898165f5f6b494d4c696e6b4174747269627574654e616d658692848484054e53" +
  "55524c009584016300928498981668747470733a2f2f782e6578616d706c652f6e6f74658686928498981d5f5f6b494d4d6573736167655061" +
  "72744174747269627574654e616d658692a792849898205f5f6b494d4c696e6b4973526963684c696e6b4174747269627574654e616d658692" +
  "849f9e84a1a101868686";

Deno.test("the runs of a body as macOS writes it name parts, file, mention and link", () => {
  const body = Uint8Array.from(WRITTEN_LIKE_MACOS.match(/../g) ?? [], (hex) => parseInt(hex, 16));
  assert.deepEqual(decodeAttributedBody(body), {
    kind: "text",
    text: "\ufffc ask @Ada https://x.example/note",
  });
  assert.deepEqual(decodeBodyRuns(body), [
    run(0, 1, { partIndex: 0, attachmentGuid: "at_0_TEST-ONLY-GUID" }),
    run(1, 5, { partIndex: 1 }),
    run(6, 4, { partIndex: 1, mention: "+15550177" }),
    run(10, 1, { partIndex: 1 }),
    run(11, 22, { partIndex: 1, link: "https://x.example/note" }),
  ]);
});

Deno.test("a voice message has its transcript, and unsent parts leave gaps in the part indexes", () => {
  const voice = encodeBody([{ attachmentGuid: "at_0_A", transcript: "see you at ten 🎉" }]);
  assert.deepEqual(decodeBodyRuns(voice), [
    run(0, 1, { partIndex: 0, attachmentGuid: "at_0_A", transcript: "see you at ten 🎉" }),
  ]);
  assert.deepEqual(decodeBodyRuns(encodeBody([{ text: "left over", part: 2 }])), [
    run(0, 9, { partIndex: 2 }),
  ]);
});

Deno.test("runs count UTF-16 units and share dictionaries, as node-typedstream reads them", () => {
  const runs = fc.array(
    fc.record({
      text: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
      attributes: fc.constantFrom<Record<string, string | number>[]>(
        { __kIMMessagePartAttributeName: 0 },
        { __kIMMessagePartAttributeName: 300, __kIMMentionConfirmedMention: "+15550100001" },
        { __kIMFileTransferGUIDAttributeName: "at_1_X" },
        { other: "x".repeat(200), __kIMLinkAttributeName: "https://example.test/" },
      ),
    }),
    { maxLength: 12 },
  );
  fc.assert(fc.property(runs, fc.boolean(), (written, mutable) => {
    const body = encodeAttributedString(written, { mutable });
    const expected = readWithOracle(body).runs.map(({ range: [start = 0, length = 0], attributes }) =>
      run(start, length, {
        partIndex: (attributes.__kIMMessagePartAttributeName ?? null) as number | null,
        mention: (attributes.__kIMMentionConfirmedMention ?? null) as string | null,
        attachmentGuid: (attributes.__kIMFileTransferGUIDAttributeName ?? null) as string | null,
        link: (attributes.__kIMLinkAttributeName ?? null) as string | null,
      })
    );
    assert.deepEqual(decodeBodyRuns(body), expected);
  }));
});

Deno.test("a body damaged after its text still has the text, but no runs", () => {
  const body = encodeBody(["hello ", { attachmentGuid: "at_0_A" }]);
  const damaged = body.subarray(0, body.length - 20);
  assert.deepEqual(decodeAttributedBody(damaged), { kind: "text", text: "hello \ufffc" });
  assert.deepEqual(decodeBodyRuns(damaged), []);
});

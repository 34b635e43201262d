/** Tests of `ml models` against a local server that speaks the hub's protocol, on a real folder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createHash } from "node:crypto";
import { UserError } from "../../lib/errors.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { listModels, type ModelsContext, pullModel, removeModel, verifyModel } from "./models_commands.ts";

const REPOSITORY = "somebody/Tiny-GGUF";
const FILE = "Tiny.Q4_0.gguf";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

interface Hub {
  bytes: Uint8Array<ArrayBuffer>;
  asked: string[];
}

/** A hub with one file, which may change, and a folder for models. */
async function withHub(
  use: (hub: Hub, context: ModelsContext, lines: string[]) => Promise<void>,
): Promise<void> {
  const hub: Hub = { bytes: new TextEncoder().encode("GGUF first"), asked: [] };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    hub.asked.push(`${request.method} ${pathname}`);
    if (!pathname.startsWith(`/${REPOSITORY}/resolve/`)) return new Response(null, { status: 404 });
    const headers = {
      "x-repo-commit": COMMIT,
      "x-linked-size": String(hub.bytes.length),
      "x-linked-etag": `"${createHash("sha256").update(hub.bytes).digest("hex")}"`,
    };
    return new Response(request.method === "HEAD" ? null : hub.bytes, { headers });
  });
  await inTempDir(async (dir) => {
    const lines: string[] = [];
    const hubUrl = `http://127.0.0.1:${server.addr.port}`;
    await use(hub, { modelsDir: join(dir, "models"), hubUrl, write: (line) => lines.push(line) }, lines);
  });
}

Deno.test("a file of the hub is fetched by repository and name at the commit of that day, listed and verified", async () => {
  await withHub(async (hub, context, lines) => {
    await pullModel(REPOSITORY, FILE, context);
    assert.equal(lines.at(-1), `Tiny.Q4_0 is at ${join(context.modelsDir, FILE)}; MODEL=Tiny.Q4_0 serves it`);
    assert.equal(hub.asked.at(-1), `GET /${REPOSITORY}/resolve/${COMMIT}/${FILE}`);
    await listModels(context);
    assert.ok(lines.some((line) => line.startsWith("Tiny.Q4_0  0 kB  ")), lines.join("\n"));
    assert.ok(
      lines.some((line) =>
        /^smollm2-135m-instruct {2}98\S* MB {2}not here; Apache-2\.0; for a machine of 4 GB/.test(line)
      ),
    );
    await verifyModel("Tiny.Q4_0", context);
    assert.match(lines.at(-1) ?? "", /is the file that it should be/);
  });
});

Deno.test("a list names what there is for each machine, until it is here", async () => {
  await withHub(async (_, context, lines) => {
    await listModels(context);
    const machines = () => lines.map((line) => / for a machine of (\d+) GB/.exec(line)?.[1]);
    assert.deepEqual(machines(), ["4", "8", "16", "32"]);
    const [name = "", file = ""] = /pull (mistralai.*8B\S*) (\S+\.gguf)/.exec(lines.join("\n"))?.slice(1) ??
      [];
    await Deno.mkdir(context.modelsDir);
    await Deno.writeTextFile(join(context.modelsDir, file), "GGUF");
    lines.length = 0;
    await listModels(context);
    assert.equal(name, "mistralai/Ministral-3-8B-Instruct-2512-GGUF");
    assert.deepEqual(machines(), [undefined, "4", "8", "32"]);
  });
});

Deno.test("a file that changed on the hub is not taken in the place of the one that was fetched first", async () => {
  await withHub(async (hub, context) => {
    await pullModel(REPOSITORY, FILE, context);
    await removeModel("Tiny.Q4_0", context);
    hub.bytes = new TextEncoder().encode("GGUF other");
    await assert.rejects(pullModel(REPOSITORY, FILE, context), /it is another file/);
    assert.deepEqual([...Deno.readDirSync(context.modelsDir)].map(({ name }) => name), ["pins.json"]);
  });
});

Deno.test("a file that was changed on the disk does not verify", async () => {
  await withHub(async (_, context) => {
    await pullModel(REPOSITORY, FILE, context);
    await Deno.writeTextFile(join(context.modelsDir, FILE), "GGUF evil!");
    await assert.rejects(verifyModel("Tiny.Q4_0", context), /is another file/);
  });
});

Deno.test("names that are none, or that the hub does not have, are refused with a sentence", async () => {
  await withHub(async (hub, context) => {
    for (
      const [name, file] of [["../../x", FILE], [REPOSITORY, "../x.gguf"], ["unknown", undefined]] as const
    ) {
      await assert.rejects(pullModel(name, file, context), UserError);
    }
    assert.deepEqual(hub.asked, []);
    await assert.rejects(pullModel("nobody/None", FILE, context), /status 404/);
    await assert.rejects(removeModel("absent", context), /There is no model absent/);
  });
});

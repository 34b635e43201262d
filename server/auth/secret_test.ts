/** Tests the server's secret: generated once, private, never replaced. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { loadSecret } from "./secret.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

async function inDataDir(run: (dataDir: string) => Promise<void>): Promise<void> {
  await inTempDir((parent) => run(join(parent, "data")));
}

Deno.test("a configured secret is used as it is, and nothing is written", () =>
  inDataDir(async (dataDir) => {
    const secret = await loadSecret({ configured: "from the environment", dataDir });
    assert.equal(new TextDecoder().decode(secret), "from the environment");
    await assert.rejects(Deno.stat(dataDir), Deno.errors.NotFound);
  }));

Deno.test("a generated secret is 256 bits, the same at every start, and readable by its owner only", () =>
  inDataDir(async (dataDir) => {
    const first = await loadSecret({ configured: null, dataDir });
    assert.equal(first.length, 32);
    assert.deepEqual(await loadSecret({ configured: null, dataDir }), first);
    const { mode } = await Deno.stat(join(dataDir, "jwt_secret"));
    if (Deno.build.os !== "windows") assert.equal((mode ?? 0) & 0o777, 0o600);
    const files = await Array.fromAsync(Deno.readDir(dataDir), ({ name }) => name);
    assert.deepEqual(files, ["jwt_secret"]);
  }));

Deno.test("servers that start at the same moment end up with one secret", () =>
  inDataDir(async (dataDir) => {
    const secrets = await Promise.all(
      Array.from({ length: 8 }, () => loadSecret({ configured: null, dataDir })),
    );
    assert.equal(new Set(secrets.map((secret) => secret.toHex())).size, 1);
  }));

Deno.test("a damaged secret stops the start with a sentence and is not replaced", () =>
  inDataDir(async (dataDir) => {
    await loadSecret({ configured: null, dataDir });
    const path = join(dataDir, "jwt_secret");
    await Deno.writeTextFile(path, "short");
    await assert.rejects(loadSecret({ configured: null, dataDir }), (error) => {
      return error instanceof UserError && error.message.includes("JWT_SECRET");
    });
    assert.equal(await Deno.readTextFile(path), "short");
  }));

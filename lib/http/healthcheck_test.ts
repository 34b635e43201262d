/** Tests of `healthcheck` against a real listener: an answer, an error, and nobody there. */
import assert from "node:assert/strict";
import { UserError } from "../errors.ts";
import { checkHealth, localUrl } from "./healthcheck.ts";

Deno.test("a service that answers is reported in its own words, one with an error or none at all with a sentence", async () => {
  let status = 200;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => Response.json({ status: "degraded" }, { status }),
  );
  const { port } = server.addr;
  assert.equal(await checkHealth({ host: "0.0.0.0", port }), "degraded");
  status = 500;
  await assert.rejects(checkHealth({ host: "127.0.0.1", port }), /answers with status 500/);
  await server.shutdown();
  await assert.rejects(
    checkHealth({ host: "127.0.0.1", port }),
    new UserError(`Nothing answers at http://127.0.0.1:${port}/health`),
  );
});

Deno.test("an address of IPv6 is written as addresses of the web write it", () => {
  assert.equal(localUrl({ host: "::1", port: 3100 }), "http://[::1]:3100");
  assert.equal(localUrl({ host: "::", port: 3100 }), "http://127.0.0.1:3100");
});

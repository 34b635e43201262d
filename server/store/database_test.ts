/** Tests database URLs that name a Unix socket as libpq does, and the order of new ids. */
import assert from "node:assert/strict";
import { newId, readDatabaseUrl } from "./database.ts";

Deno.test("a URL without a host in its query is left as it is", () => {
  const url = "postgres://me:p%40ss@db.example:5433/app?sslmode=require&application_name=x";
  assert.deepEqual(readDatabaseUrl(url), { url });
});

Deno.test("a host and a port in the query say where to connect, and the rest of the query stays", () => {
  assert.deepEqual(
    readDatabaseUrl("postgres://me@localhost/app?host=/var/run/postgresql&port=5433&sslmode=disable"),
    {
      url: "postgres://me@localhost/app?sslmode=disable",
      host: "/var/run/postgresql",
      port: 5433,
    },
  );
  assert.deepEqual(readDatabaseUrl("postgresql:///app?host=/tmp"), {
    url: "postgresql:///app",
    host: "/tmp",
    port: undefined,
  });
});

Deno.test("an id is a UUID of version 7 that carries the present time", () => {
  const before = Date.now();
  const id = newId();
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const time = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  assert(time >= before && time <= Date.now());
});

Deno.test("ids do not repeat, and all their random bits vary", () => {
  const ids = Array.from({ length: 20_000 }, newId);
  assert.equal(new Set(ids).size, ids.length);
  const bits = ids.map((id) => BigInt(`0x${id.replaceAll("-", "")}`));
  const everSet = bits.reduce((all, one) => all | one, 0n);
  const alwaysSet = bits.reduce((all, one) => all & one);
  // RFC 9562 section 5.7: below the version come 12 random bits, below the variant 62.
  const random = (0xfffn << 64n) | ((1n << 62n) - 1n);
  assert.equal(everSet & random, random);
  assert.equal(alwaysSet & random, 0n);
});

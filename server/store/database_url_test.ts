// Database URLs that name a Unix socket as libpq does.
import assert from "node:assert/strict";
import { readDatabaseUrl } from "./database_url.ts";

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

/** Tests the server's settings: defaults, checks, and what depends on the bind address. */
import assert from "node:assert/strict";
import { ConfigError } from "../lib/config.ts";
import { serverConfigFrom } from "./config.ts";

function faultsOf(env: Record<string, string>): string[] {
  try {
    serverConfigFrom(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

Deno.test("an empty environment gives the documented defaults", () => {
  const { host, port, databaseUrl, jwtSecret, pairing, mlUrl, mlToken, logLevel } = serverConfigFrom({});
  assert.deepEqual({ host, port, databaseUrl, jwtSecret, pairing, mlUrl, mlToken, logLevel }, {
    host: "127.0.0.1",
    port: 3100,
    databaseUrl: null,
    jwtSecret: null,
    pairing: "open",
    mlUrl: "http://127.0.0.1:8100",
    mlToken: null,
    logLevel: "info",
  });
});

Deno.test("pairing is open on a loopback bind and needs approval on any other, unless it is set", () => {
  assert.equal(serverConfigFrom({ SERVER_HOST: "localhost" }).pairing, "open");
  assert.equal(serverConfigFrom({ SERVER_HOST: "0.0.0.0" }).pairing, "approve");
  assert.equal(serverConfigFrom({ SERVER_HOST: "192.168.1.5" }).pairing, "approve");
  assert.equal(serverConfigFrom({ SERVER_HOST: "0.0.0.0", PAIRING: "open" }).pairing, "open");
  assert.equal(serverConfigFrom({ PAIRING: "approve" }).pairing, "approve");
});

Deno.test("hours of training are a range of the clock, and nothing is trained again unless it is asked for", () => {
  const { retrainAfter, retrainHours } = serverConfigFrom({});
  assert.deepEqual({ retrainAfter, retrainHours }, { retrainAfter: null, retrainHours: { from: 1, to: 5 } });
  assert.deepEqual(serverConfigFrom({ RETRAIN_HOURS: "22-4" }).retrainHours, { from: 22, to: 4 });
  for (const bad of ["1", "5-25", "24-3", "-1-5", "1-5h", "one-five"]) {
    assert.equal(faultsOf({ RETRAIN_HOURS: bad }).length, 1, bad);
  }
  assert.equal(faultsOf({ RETRAIN_AFTER: "0" }).length, 1);
});

Deno.test("every setting that cannot be used is named at once, secrets without their value", () => {
  const faults = faultsOf({
    SERVER_PORT: "70000",
    DATABASE_URL: "mysql://root:hunter2@db/x",
    JWT_SECRET: "hunter2",
    PAIRING: "closed",
    BACKUP_RECIPIENT: "AGE-SECRET-KEY-1HUNTER2",
    ML_URL: "localhost:8100",
    LOG_LEVEL: "loud",
  });
  assert.deepEqual(faults.map((fault) => fault.split(" ")[0]), [
    "SERVER_PORT",
    "DATABASE_URL",
    "JWT_SECRET",
    "PAIRING",
    "BACKUP_RECIPIENT",
    "ML_URL",
    "LOG_LEVEL",
  ]);
  assert.equal(/hunter2/i.test(faults.join()), false);
});

Deno.test("a host that is a URL is refused", () => {
  assert.match(faultsOf({ SERVER_HOST: "http://0.0.0.0" })[0] ?? "", /^SERVER_HOST must be an address/);
});

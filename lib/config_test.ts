/** Tests that every setting is read and that every fault is reported. */
import assert from "node:assert/strict";
import {
  ConfigError,
  configFrom,
  httpUrl,
  isLoopback,
  oneOf,
  port,
  setting,
  type SettingsTable,
  text,
} from "./config.ts";

const TABLE = {
  port: setting({ env: "PORT", parse: port, fallback: 80, description: "" }),
  mode: setting({ env: "MODE", parse: oneOf("open", "closed"), fallback: "open", description: "" }),
  url: setting<string | null>({ env: "URL", parse: httpUrl, fallback: null, description: "" }),
  key: setting<string | null>({
    env: "KEY",
    parse: (raw) => {
      if (raw.length < 8) throw new Error("at least 8 characters");
      return text(raw);
    },
    fallback: null,
    description: "",
    secret: true,
  }),
} satisfies SettingsTable;

Deno.test("absent and empty variables take their defaults", () => {
  assert.deepEqual(configFrom(TABLE, { PORT: " ", MODE: "" }), {
    port: 80,
    mode: "open",
    url: null,
    key: null,
  });
});

Deno.test("values are parsed and trimmed", () => {
  const config = configFrom(TABLE, { PORT: " 8080 ", MODE: "closed", URL: "http://x/" });
  assert.deepEqual(config, { port: 8080, mode: "closed", url: "http://x", key: null });
});

Deno.test("all faults are reported together, without the value of a secret", () => {
  assert.throws(
    () => configFrom(TABLE, { PORT: "99999", MODE: "ajar", URL: "ftp://x", KEY: "hunter2" }),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.faults, [
        'PORT must be a whole number from 0 to 65535: got "99999"',
        'MODE must be one of open, closed: got "ajar"',
        'URL must be a URL that begins with http:// or https://: got "ftp://x"',
        "KEY must be at least 8 characters",
      ]);
      return true;
    },
  );
});

Deno.test("only this machine's addresses count as loopback", () => {
  for (const host of ["127.0.0.1", "127.8.8.8", "localhost", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "192.168.1.2", "127.evil.example"]) assert.ok(!isLoopback(host), host);
});

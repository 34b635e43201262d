/** Tests the service's settings: defaults, combinations, and settings that must stop the start. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ConfigError } from "../lib/config.ts";
import { mlConfigFrom } from "./config.ts";

Deno.test("with nothing set the service binds loopback, needs no token and chooses a model itself", () => {
  const config = mlConfigFrom({});
  assert.deepEqual([config.host, config.port, config.token, config.model], ["127.0.0.1", 8100, null, "auto"]);
  assert.equal(config.modelsDir, join(config.dataDir, "models"));
  assert.equal(config.threads, undefined);
});

Deno.test("the models folder follows DATA_DIR unless it is set", () => {
  assert.equal(mlConfigFrom({ DATA_DIR: "/srv/a" }).modelsDir, join("/srv/a", "models"));
  assert.equal(mlConfigFrom({ DATA_DIR: "/srv/a", MODELS_DIR: "/srv/m" }).modelsDir, "/srv/m");
});

Deno.test("an address that others can reach needs a token", () => {
  for (const host of ["0.0.0.0", "192.168.1.5", "::"]) {
    assert.throws(() => mlConfigFrom({ ML_HOST: host }), /ML_TOKEN must be set/);
    assert.equal(mlConfigFrom({ ML_HOST: host, ML_TOKEN: "t" }).host, host);
  }
  for (const host of ["localhost", "::1", "127.0.0.2"]) {
    assert.equal(mlConfigFrom({ ML_HOST: host }).host, host);
  }
});

Deno.test("every fault is reported at once, and a token is never shown", () => {
  const env = { ML_PORT: "x", ENGINE: "magic", GPU: "maybe", SEQUENCES: "0", ML_TOKEN: "s3cret" };
  assert.throws(() => mlConfigFrom(env), (error: unknown) => {
    assert.ok(error instanceof ConfigError);
    assert.equal(error.faults.length, 4);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
});

Deno.test("the remote engine needs an address", () => {
  assert.throws(() => mlConfigFrom({ ENGINE: "openai" }), /ENGINE_URL must be set/);
  const config = mlConfigFrom({ ENGINE: "openai", ENGINE_URL: "http://127.0.0.1:11434/v1/" });
  assert.equal(config.engineUrl, "http://127.0.0.1:11434/v1");
});

Deno.test("Ollama is an engine by its name, at its own address or another", () => {
  const local = mlConfigFrom({ ENGINE: "ollama", MODEL: "llama3.2" });
  assert.deepEqual([local.engine, local.engineUrl], ["openai", "http://127.0.0.1:11434/v1"]);
  const elsewhere = mlConfigFrom({ ENGINE: "ollama", ENGINE_URL: "http://10.0.0.5:11434/v1" });
  assert.equal(elsewhere.engineUrl, "http://10.0.0.5:11434/v1");
});

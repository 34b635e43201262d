/** Tests device tokens against an independent JWT implementation, and that pairing codes are drawn evenly. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { ErrorCode } from "../../contract/errors.ts";
import { ApiError } from "../../lib/errors.ts";
import { drawPairingCode, hashPairingCode } from "../services/devices/pairing.ts";
import { createTokens, TOKEN_VALIDITY_MS } from "./authenticate.ts";

const SECRET = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const NOW = new Date("2024-01-01T00:00:00Z");
const CLAIMS = { deviceId: crypto.randomUUID(), tokenId: crypto.randomUUID() };
const PAYLOAD = {
  iss: "conversation-assistant",
  aud: "conversation-assistant-api",
  sub: CLAIMS.deviceId,
  jti: CLAIMS.tokenId,
  iat: NOW.getTime() / 1_000,
  exp: NOW.getTime() / 1_000 + 60,
};

const tokens = createTokens({ secret: SECRET, now: () => NOW });

function encode(value: unknown): string {
  return new TextEncoder().encode(JSON.stringify(value)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

interface Forgery {
  header?: Record<string, unknown>;
  payload?: Record<string, unknown>;
  secret?: Uint8Array;
  hash?: string;
}

/** A JWT made by hand, as RFC 7515 writes it. */
function forge({ header, payload, secret = SECRET, hash = "sha256" }: Forgery = {}): string {
  const signed = `${encode({ alg: "HS256", typ: "JWT", ...header })}.${encode({ ...PAYLOAD, ...payload })}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest("base64url")}`;
}

async function assertRefused(token: string, code: ErrorCode): Promise<void> {
  await assert.rejects(tokens.verify(token), (error) => error instanceof ApiError && error.code === code);
}

Deno.test("an issued token says which device and which of its tokens it is, for seven days", async () => {
  const { token, expiresAt } = await tokens.issue(CLAIMS);
  assert.deepEqual(await tokens.verify(token), CLAIMS);
  assert.equal(expiresAt.getTime() - NOW.getTime(), TOKEN_VALIDITY_MS);
});

Deno.test("a token made by hand with the right key and claims is accepted", async () => {
  assert.deepEqual(await tokens.verify(forge()), CLAIMS);
});

Deno.test("a token with the right key and a claim that is malformed is refused, whichever claim it is", async () => {
  const odd = [
    "",
    "x",
    "'; drop table devices; --",
    "\0",
    7,
    -1,
    1e308,
    true,
    null,
    [],
    {},
    [CLAIMS.tokenId],
    "0".repeat(5_000),
  ];
  for (const claim of ["sub", "jti", "iss", "aud", "nbf", "iat", "exp"]) {
    for (const value of odd) {
      // A token that has expired says so, and what is far in the future is a time all the same.
      const isTime = typeof value === "number" && ["nbf", "iat", "exp"].includes(claim);
      if (!isTime) await assertRefused(forge({ payload: { [claim]: value } }), "unauthorized");
    }
  }
});

Deno.test("a token is refused as expired from the second it expires", async () => {
  const { token, expiresAt } = await tokens.issue(CLAIMS);
  const at = (time: number) => createTokens({ secret: SECRET, now: () => new Date(time) });
  assert.deepEqual(await at(expiresAt.getTime() - 1_000).verify(token), CLAIMS);
  await assert.rejects(at(expiresAt.getTime()).verify(token), { code: "token_expired" });
});

const REFUSED: [string, string][] = [
  ["of a foreign key", forge({ secret: new TextEncoder().encode("another key of thirty-two bytes!") })],
  ["with alg none and no signature", `${forge({ header: { alg: "none" } }).replace(/[^.]*$/, "")}`],
  ["with alg none and a signature", forge({ header: { alg: "none" } })],
  ["of another algorithm with the right key", forge({ header: { alg: "HS512" }, hash: "sha512" })],
  ["of another issuer", forge({ payload: { iss: "someone" } })],
  ["for another audience", forge({ payload: { aud: "someone" } })],
  ["without a jti", forge({ payload: { jti: undefined } })],
  ["without a subject", forge({ payload: { sub: undefined } })],
  ["without an expiry", forge({ payload: { exp: undefined } })],
  ["that is no JWT", "hello"],
  ["that is empty", ""],
];

for (const [what, token] of REFUSED) {
  Deno.test(`a token ${what} is refused`, () => assertRefused(token, "unauthorized"));
}

Deno.test("a token whose payload was altered is refused", async () => {
  const [header, , signature] = forge().split(".");
  const payload = encode({ ...PAYLOAD, sub: crypto.randomUUID() });
  await assertRefused(`${header}.${payload}.${signature}`, "unauthorized");
});

Deno.test("an expired token of a foreign key is refused as invalid: its claims cannot be trusted", async () => {
  const token = forge({ secret: new TextEncoder().encode("foreign"), payload: { exp: 1 } });
  await assertRefused(token, "unauthorized");
});

const secret = new TextEncoder().encode("one secret");

/** Draws these numbers one after the other. */
function drawing(...numbers: number[]): () => number {
  return () => {
    const next = numbers.shift();
    assert.notEqual(next, undefined, "drew more often than expected");
    return next ?? 0;
  };
}

Deno.test("a code has six digits, leading zeros included", () => {
  assert.equal(drawPairingCode(drawing(42)), "000042");
  assert.equal(drawPairingCode(drawing(1_999_999)), "999999");
  for (let draw = 0; draw < 200; draw++) assert.match(drawPairingCode(), /^\d{6}$/);
});

Deno.test("draws that would favour low codes are thrown away", () => {
  const evenLimit = 4_294_000_000;
  assert.equal(drawPairingCode(drawing(evenLimit, 2 ** 32 - 1, evenLimit - 1)), "999999");
});

Deno.test("codes of the system's random source spread over the full range", () => {
  const draws = 20_000;
  const bins = new Array<number>(10).fill(0);
  for (let draw = 0; draw < draws; draw++) {
    const bin = Number(drawPairingCode()[0]);
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const expected = draws / bins.length;
  const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  // 9 degrees of freedom: an even source exceeds this once in ten million runs.
  assert.ok(chiSquare < 50, `chi-square ${chiSquare} over ${bins}`);
});

Deno.test("a code's hash depends on the code and on the secret, and shows neither", () => {
  const hash = hashPairingCode(secret, "123456");
  assert.match(hash, /^[0-9a-f]{64}$/);
  assert.equal(hash, hashPairingCode(secret, "123456"));
  assert.notEqual(hash, hashPairingCode(secret, "123457"));
  assert.notEqual(hash, hashPairingCode(new TextEncoder().encode("another secret"), "123456"));
  assert.equal(hash.includes("123456"), false);
});

/** Owns pairing codes: drawing them evenly, and the keyed hash under which they are stored. */
import { createHmac } from "node:crypto";

/** How long a code may be used after its device registered. */
export const CODE_VALIDITY_MS = 10 * 60_000;

const CODE_COUNT = 1_000_000;
/** The largest multiple of `CODE_COUNT` that 32 bits hold; draws from there up would favour low codes. */
const EVEN_LIMIT = Math.floor(2 ** 32 / CODE_COUNT) * CODE_COUNT;

function randomUint32(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/**
 * Draws a code of six digits, each of the million codes equally likely.
 *
 * @param random draws a whole number in [0, 2^32)
 */
export function drawPairingCode(random: () => number = randomUint32): string {
  let drawn = random();
  while (drawn >= EVEN_LIMIT) drawn = random();
  return String(drawn % CODE_COUNT).padStart(6, "0");
}

/**
 * The hash of a code as it is stored, in hex.
 *
 * Keyed, because a million codes are tried in a moment: who reads the database cannot tell the code. The device
 * is not part of it, because a device that links another one knows the code alone.
 */
export function hashPairingCode(secret: Uint8Array, code: string): string {
  return createHmac("sha256", secret).update(`pairing-code:${code}`).digest("hex");
}

/** Owns the ids of all rows: UUIDs of version 7, so that newer rows sort behind older ones in every index. */

// RFC 9562 §5.7: 48 bits of Unix milliseconds, then random bits beside version and variant.
const TIME_BITS_HEX_DIGITS = 12;
const random = new Uint32Array(256);
let used = random.length;

function randomWord(): number {
  if (used === random.length) {
    crypto.getRandomValues(random);
    used = 0;
  }
  return random[used++] ?? 0;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** A new time-ordered UUID. */
export function newId(): string {
  const time = hex(Date.now(), TIME_BITS_HEX_DIGITS);
  const [a, b, c] = [randomWord(), randomWord(), randomWord()];
  const versioned = hex(0x7000 | (a & 0x0fff), 4);
  const variant = hex(0x8000 | (a >>> 18), 4);
  return `${time.slice(0, 8)}-${time.slice(8)}-${versioned}-${variant}-${hex(b, 8)}${hex(c >>> 16, 4)}`;
}

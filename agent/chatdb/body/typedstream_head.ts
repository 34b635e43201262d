/** Owns the head bytes of typedstreams and the integers behind them. */

/** Heads with a meaning of their own; all others are small integers (imessage-chatdb docs/TYPEDSTREAM.md §2.1). */
export const HEAD = {
  INTEGER_2: 0x81,
  INTEGER_4: 0x82,
  FLOAT: 0x83,
  NEW: 0x84,
  NIL: 0x85,
  END_OF_OBJECT: 0x86,
} as const;

/** Heads from here to 0xff are numbers again, as are those below 0x80. */
const FIRST_AFTER_TAGS = 0x92;

/** How many bytes after a head carry its integer: 0 when the head is the value, -1 when it starts no integer. */
export function integerWidth(head: number): 0 | 2 | 4 | -1 {
  if (head < 0x80 || head >= FIRST_AFTER_TAGS) return 0;
  return head === HEAD.INTEGER_2 ? 2 : head === HEAD.INTEGER_4 ? 4 : -1;
}

/** The unsigned integer whose head stands at `headAt`; the caller has checked that it is one and lies inside. */
export function unsignedAt(bytes: Uint8Array, headAt: number): number {
  const head = bytes[headAt] ?? 0;
  const widthBytes = integerWidth(head);
  if (widthBytes <= 0) return head;
  let value = 0;
  for (let i = headAt + widthBytes; i > headAt; i--) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

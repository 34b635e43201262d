/** What the index of the search has of a text: keys, each of a few characters. */

/** From here on a character is a sign of a script without spaces, a symbol or an emoji, and has a key of its own. */
const FIRST_SIGN = 0x2190;
/** What parts words: nothing of it is in a key. */
const BREAK = 0;
/** By ASCII character: its lower case, or {@linkcode BREAK}. A table, for it is read for each character of each message. */
const LOWER_ASCII = Uint8Array.from(
  { length: 0x80 },
  (_, code) => " \t\n\r".includes(String.fromCharCode(code)) ? BREAK : firstLowerOf(code),
);

function firstLowerOf(point: number): number {
  return String.fromCodePoint(point).toLowerCase().codePointAt(0) ?? point;
}

/**
 * One key for each three characters in a row of a word, and one for each sign; each once, in no order, null for none. A
 * text that has a word, in upper or lower case, has all keys of that word. `search_keys` of the database makes the same.
 */
export function searchKeysOf(text: string): number[] | null {
  const keys = new Set<number>();
  let [secondLast, last] = [BREAK, BREAK];
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at) ?? BREAK;
    // It takes two UTF-16 units.
    if (point > 0xffff) at++;
    const code = point >= FIRST_SIGN ? BREAK : LOWER_ASCII[point] ?? firstLowerOf(point);
    if (point >= FIRST_SIGN) keys.add(point);
    else if (code !== BREAK && secondLast !== BREAK) keys.add((secondLast << 16) ^ (last << 8) ^ code);
    secondLast = code === BREAK ? BREAK : last;
    last = code;
  }
  return keys.size === 0 ? null : [...keys];
}

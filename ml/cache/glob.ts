/** Owns matching a text with a glob: `*` stands for any text, `?` for one character, all else for itself. */

/**
 * Whether a glob matches a whole text.
 *
 * Only the latest `*` is ever widened, so that no glob takes longer than the product of both lengths: a regular
 * expression made of many stars would.
 */
export function matchesGlob(text: string, glob: string): boolean {
  const characters = Array.from(text);
  const pattern = Array.from(glob);
  let star = -1;
  let starAt = 0;
  let at = 0;
  let next = 0;
  while (at < characters.length) {
    if (pattern[next] === "*") {
      star = next++;
      starAt = at;
    } else if (pattern[next] === "?" || pattern[next] === characters[at]) {
      at++;
      next++;
    } else if (star >= 0) {
      at = ++starAt;
      next = star + 1;
    } else return false;
  }
  return pattern.slice(next).every((character) => character === "*");
}

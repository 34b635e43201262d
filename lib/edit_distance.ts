/** How many characters have to be inserted, removed or replaced to make one text of another. */

/** Levenshtein's distance, in code points; time is the product of both lengths, memory the length of one. */
export function editDistance(from: string, to: string): number {
  const [source, target] = [Array.from(from), Array.from(to)];
  let row = Uint32Array.from({ length: target.length + 1 }, (_, index) => index);
  source.forEach((character, index) => {
    const next = new Uint32Array(target.length + 1);
    next[0] = index + 1;
    target.forEach((other, column) => {
      const replaced = (row[column] ?? 0) + (character === other ? 0 : 1);
      next[column + 1] = Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1);
    });
    row = next;
  });
  return row.at(-1) ?? 0;
}

/** What is compared of a text, in UTF-16 units: the distance takes the product of both lengths. */
const COMPARED_LENGTH = 1_000;

/** The distance by the longer of the texts, or of their beginnings: 0 for the same text, 1 for nothing in common. */
export function relativeEditDistance(from: string, to: string): number {
  const [source, target] = [from.slice(0, COMPARED_LENGTH), to.slice(0, COMPARED_LENGTH)];
  const longer = Math.max(source.length, target.length);
  return longer === 0 ? 0 : editDistance(source, target) / longer;
}

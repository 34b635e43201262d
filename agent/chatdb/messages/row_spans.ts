/** Owns the gathering of single rows into ranges that one query reads. */

/** Rows that are read together when single ones are asked for: neighbours cost less than another query. */
const SPAN_ROWS = 1_000;
const SPAN_GAP_ROWS = 50;

/** Ranges that cover `rowIds` with few rows besides. */
export function spansOf(rowIds: Iterable<number>): [first: number, last: number][] {
  const spans: [number, number][] = [];
  for (const rowId of [...rowIds].sort((a, b) => a - b)) {
    const span = spans.at(-1);
    if (span && rowId - span[1] <= SPAN_GAP_ROWS && rowId - span[0] < SPAN_ROWS) span[1] = rowId;
    else spans.push([rowId, rowId]);
  }
  return spans;
}

/**
 * The corpus of odd rows: kinds of rows that people's databases hold and that are easily read wrong. Each is a line that
 * writes it and a line that says what the reader makes of it, so that the next report is a line more.
 */
import { BALLOONS } from "./odd_rows/balloons.ts";
import { CHANGES } from "./odd_rows/changes.ts";
import { CONVERSATIONS } from "./odd_rows/conversations.ts";
import { KINDS } from "./odd_rows/kinds.ts";
import type { OddRow } from "./odd_rows/odd_row.ts";
import { WORDS } from "./odd_rows/words.ts";

export { ANA, type OddRow } from "./odd_rows/odd_row.ts";

export const ODD_ROWS: readonly OddRow[] = [...WORDS, ...CHANGES, ...KINDS, ...BALLOONS, ...CONVERSATIONS];

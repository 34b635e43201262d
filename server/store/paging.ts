/** Pages through rows ordered by (time, id), by number and by stable cursor. */
import { and, asc, desc, getTableColumns, type SQL, sql, type SQLWrapper } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { MAX_TIME_MS, MIN_TIME_MS } from "../../contract/scalars.ts";
import type { Database } from "./database.ts";

/** A numbered page, 1-based; a page behind the end is empty, never an error. */
export interface PageRequest {
  readonly page: number;
  readonly pageSize: number;
  /** When given, `page` is ignored and rows strictly behind this position are returned. */
  readonly after?: Position;
}

/** The place of a row in its order: its time and its id. */
export interface Position {
  readonly at: Date;
  readonly id: string;
}

/** One page of rows; `total` counts all pages, `next` is the position to continue from, null at the end. */
export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
  readonly next: Position | null;
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** The opaque text of a position, safe in a URL. */
export function encodeCursor(position: Position): string {
  return btoa(`${position.at.getTime()}.${position.id}`).replaceAll("+", "-").replaceAll("/", "_").replace(
    /=+$/,
    "",
  );
}

/** The position of a cursor made by {@linkcode encodeCursor}; undefined for anything else. */
export function decodeCursor(cursor: string): Position | undefined {
  if (!/^[\w-]{1,128}$/.test(cursor)) return undefined;
  try {
    const [time = "", id = ""] = atob(cursor.replaceAll("-", "+").replaceAll("_", "/")).split(".");
    const at = /^-?\d{1,15}$/.test(time) ? Number(time) : NaN;
    return UUID.test(id) && at >= MIN_TIME_MS && at <= MAX_TIME_MS ? { at: new Date(at), id } : undefined;
  } catch {
    return undefined;
  }
}

/** How {@linkcode readPage} reads one kind of row. */
export interface PageSource<Row> {
  readonly total: () => Promise<number>;
  /** `fromEnd`: in the opposite order, beginning at the end of the list. */
  readonly rows: (range: RowRange) => Promise<Row[]>;
  readonly positionOf: (row: Row) => Position;
}

/** The rows a page needs; `after` and `offset` exclude one another. */
export interface RowRange {
  readonly limit: number;
  readonly offset: number;
  readonly after?: Position;
  readonly fromEnd: boolean;
}

/** A page of the second half: PostgreSQL walks over all rows before a page, so they are counted from the end. */
async function readFromEnd<Row>(
  { offset, pageSize, total }: { offset: number; pageSize: number; total: number },
  source: PageSource<Row>,
): Promise<Page<Row>> {
  const behindPage = Math.max(0, total - offset - pageSize);
  const limit = Math.min(pageSize, total - offset);
  const rows = (await source.rows({ limit, offset: behindPage, fromEnd: true })).reverse();
  const last = rows.at(-1);
  return { rows, total, next: last && behindPage > 0 ? source.positionOf(last) : null };
}

/** Reads one page. Rows are not even looked for behind the end of the list. */
export async function readPage<Row>(request: PageRequest, source: PageSource<Row>): Promise<Page<Row>> {
  const total = await source.total();
  const { pageSize } = request;
  const offset = request.after ? 0 : (request.page - 1) * pageSize;
  if (offset >= total) return { rows: [], total, next: null };
  if (offset > total / 2) return await readFromEnd({ offset, pageSize, total }, source);
  // One more row than requested shows whether there is a next page.
  const found = await source.rows({ limit: pageSize + 1, offset, after: request.after, fromEnd: false });
  const rows = found.slice(0, pageSize);
  const last = rows.at(-1);
  return { rows, total, next: last && found.length > rows.length ? source.positionOf(last) : null };
}

/** What a list is ordered by: a time, and the id deciding between equal times. */
export interface RowOrder {
  readonly time: SQLWrapper;
  readonly id: SQLWrapper;
}

export function newestFirst({ time, id }: RowOrder): [SQL, SQL] {
  return [desc(time), desc(id)];
}

export function oldestFirst({ time, id }: RowOrder): [SQL, SQL] {
  return [asc(time), asc(id)];
}

/** Rows that {@linkcode newestFirst} puts behind a position; undefined without one, which drizzle takes for all rows. */
export function behind(position: Position | undefined, { time, id }: RowOrder): SQL | undefined {
  return position && sql`(${time}, ${id}) < ${placeOf(position)}`;
}

/** Rows that {@linkcode oldestFirst} puts behind a position; undefined without one. */
export function ahead(position: Position | undefined, { time, id }: RowOrder): SQL | undefined {
  return position && sql`(${time}, ${id}) > ${placeOf(position)}`;
}

/** Which rows of a table to list; they are ordered by their creation unless another time is given. */
export interface TableList<Row> {
  readonly table: PgTable & { readonly id: PgColumn; readonly createdAt: PgColumn };
  readonly where?: SQL;
  readonly columns?: Record<string, PgColumn>;
  readonly time?: SQLWrapper;
  readonly timeOf?: (row: Row) => Date;
}

/** Reads one page of a table's rows, newest first. */
export function readNewest<Row extends { id: string; createdAt: Date }>(
  { db }: Database,
  request: PageRequest,
  { table, where, columns = getTableColumns(table), ...by }: TableList<Row>,
): Promise<Page<Row>> {
  const { time = table.createdAt, timeOf = (row) => row.createdAt } = by;
  const order = { time, id: table.id };
  return readPage(request, {
    total: () => db.$count(table, where),
    rows: async ({ limit, offset, after, fromEnd }) =>
      await db.select(columns).from(table).where(and(where, behind(after, order)))
        .orderBy(...(fromEnd ? oldestFirst : newestFirst)(order)).limit(limit).offset(
          offset,
        ) as unknown[] as Row[],
    positionOf: (row) => ({ at: timeOf(row), id: row.id }),
  });
}

function placeOf({ at, id }: Position): SQL {
  return sql`(${at.toISOString()}::timestamptz, ${id}::uuid)`;
}

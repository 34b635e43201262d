/** Runs SQL written as templates: values become parameters, and a statement is parsed once a connection. */
import { is, SQL, sql as template } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
// @ts-types="@types/pg"
import type { ClientBase, Pool, QueryResult } from "pg";

/** The rows of a statement; `count` is how many it returned or changed. */
export type Rows<Row> = Row[] & { readonly count: number };

/** Runs statements, on one connection or on whichever the pool has. */
export interface Sql {
  <Row extends object = Record<string, unknown>>(
    strings: TemplateStringsArray,
    ...values: unknown[]
  ): Promise<Rows<Row>>;
  /** Runs one or several statements without parameters; nothing is kept of them. */
  script<Row extends object = Record<string, unknown>>(text: string): Promise<Rows<Row>>;
}

const dialect = new PgDialect();
/** The names of prepared statements by their text; there are as many as templates in the source. */
const names = new Map<string, string>();

function nameOf(text: string): string {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = `statement_${names.size}`;
  names.set(text, name);
  return name;
}

/** A part of a statement, for use as a value in another template. An array is one parameter. */
export function fragment(strings: TemplateStringsArray, ...values: unknown[]): SQL {
  return template(strings, ...values.map((value) => is(value, SQL) ? value : template.param(value)));
}

/** Text of our own that becomes part of a statement as it is. */
export function rawFragment(text: string): SQL {
  return template.raw(text);
}

function rowsOf<Row extends object>(result: QueryResult<Row> | undefined): Rows<Row> {
  return Object.assign(result?.rows ?? [], { count: result?.rowCount ?? 0 });
}

/** Makes the {@linkcode Sql} of a pool, or of one connection; `timeoutMs` stands for the connection's own limit. */
export function sqlOn(connection: Pool | ClientBase, { timeoutMs }: { timeoutMs?: number } = {}): Sql {
  const run = async <Row extends object>(strings: TemplateStringsArray, ...parts: unknown[]) => {
    const { sql: text, params: values } = dialect.sqlToQuery(fragment(strings, ...parts));
    // The types of pg know no limit of one query.
    const query = { name: nameOf(text), text, values, query_timeout: timeoutMs };
    return rowsOf(await connection.query<Row>(query));
  };
  const script = async <Row extends object>(text: string) => {
    // Several statements have a result each.
    const results: QueryResult<Row> | QueryResult<Row>[] = await connection.query<Row>(text);
    return rowsOf([results].flat().at(-1));
  };
  return Object.assign(run, { script });
}

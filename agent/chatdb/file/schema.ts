/**
 * Describes the tables of a chat.db. Its columns are probed once, so that one query serves every release of macOS. The
 * rows that a query reads are described as field, column and decoder, from which follow the select list, NULL for a
 * column that the database lacks, and the type of a row.
 */
import { integerOf, type Query, type SqlRow, type SqlValue } from "./sql_value.ts";

/** Tables this agent reads; any of them but `message` may be absent (MVT, imessage-exporter test data). */
const TABLES = [
  "message",
  "handle",
  "chat",
  "attachment",
  "chat_message_join",
  "chat_handle_join",
  "message_attachment_join",
  "chat_recoverable_message_join",
  "deleted_messages",
  "sqlite_sequence",
] as const;

export type TableName = typeof TABLES[number];

/** The columns of each table that exists. */
export type Schema = ReadonlyMap<TableName, ReadonlySet<string>>;

/** Probes the tables and columns. Releases differ, and so do databases of one release: only the file itself knows. */
export function probeSchema(prepare: (sql: string) => Query): Schema {
  const schema = new Map<TableName, ReadonlySet<string>>();
  for (const table of TABLES) {
    const columns = prepare(`SELECT name FROM pragma_table_info('${table}')`)().map(([name]) => String(name));
    if (columns.length > 0) schema.set(table, new Set(columns));
  }
  return schema;
}

type Decode<Value> = (value: SqlValue | undefined) => Value;

/** A value of its own in the select list. */
interface ValueField<Value> {
  /** The SQL of the value, for a table that has the columns `present`. */
  readonly sql: (table: TableName, present: ReadonlySet<string>) => string;
  readonly decode: Decode<Value>;
}

/** A yes-or-no question: true when one of the conditions holds. */
interface FlagField {
  readonly conditions: readonly string[];
}

type Fields = Readonly<Record<string, ValueField<unknown> | FlagField>>;
type ValueOf<Field> = Field extends ValueField<infer Value> ? Value : boolean;

/** A field read from one column; `decode` gets NULL where the database lacks the column. */
export function column<Value>(name: string, decode: Decode<Value>): ValueField<Value> {
  return { sql: (table, present) => present.has(name) ? `${table}.${name}` : "NULL", decode };
}

/** A field read from any SQL expression. */
export function expression<Value>(sql: ValueField<Value>["sql"], decode: Decode<Value>): ValueField<Value> {
  return { sql, decode };
}

/**
 * A field that is true when one of the conditions is: a column that is neither 0 nor NULL, or a comparison that starts
 * with a column. An absent column says no.
 */
export function flag(...conditions: string[]): FlagField {
  return { conditions };
}

/** The open database, as far as preparing a query needs it. */
interface Database {
  readonly schema: Schema;
  prepare(sql: string): Query;
}

export interface RowTable<Row> {
  /** The select list; all flags are the bits of one number, because each value costs as much as a short text. */
  selectList(schema: Schema): string;
  /** Prepares a SELECT of such rows; `from` is what follows FROM. There are no rows when the table is absent. */
  prepare(database: Database, from: string): (...parameters: SqlValue[]) => Row[];
}

/** The rows of a table's description. */
export type RowOf<Table> = Table extends RowTable<infer Row> ? Row : never;

type DecodedRow<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]> };

/** The description of the rows of `table` with these fields. */
export function rowTable<F extends Fields>(table: TableName, fields: F): RowTable<DecodedRow<F>> {
  const rowOf = compileRowOf(fields);
  const selectList = (schema: Schema) =>
    selectListOf(fields, { table, present: schema.get(table) ?? new Set() });
  return {
    selectList,
    prepare(database, from) {
      if (!database.schema.has(table)) return () => [];
      const select = database.prepare(`SELECT ${selectList(database.schema)} FROM ${from}`);
      return (...parameters) => select(...parameters).map(rowOf);
    },
  };
}

interface PresentTable {
  table: TableName;
  present: ReadonlySet<string>;
}

function isFlag(field: ValueField<unknown> | FlagField): field is FlagField {
  return "conditions" in field;
}

function selectListOf(fields: Fields, { table, present }: PresentTable): string {
  const list = Object.values(fields).flatMap((field) => isFlag(field) ? [] : [field.sql(table, present)]);
  const flags = Object.values(fields).filter(isFlag)
    .map((field, index) => flagSql(field, { table, present, bit: 1 << index }));
  return [...list, ...flags.length > 0 ? [flags.join(" + ")] : []].join(", ");
}

function flagSql({ conditions }: FlagField, { table, present, bit }: PresentTable & { bit: number }): string {
  const known = conditions.filter((condition) => present.has(condition.split(" ", 1)[0] ?? ""));
  if (known.length === 0) return "0";
  return `((${known.map((condition) => `${table}.${condition}`).join(" OR ")}) IS TRUE) * ${bit}`;
}

/**
 * Compiles the object literal that a row is, as one would write it by hand: setting fields in a loop took eight times as
 * long. The source is made of the names in our own tables, and no value of a database is part of it.
 */
function compileRowOf<F extends Fields>(fields: F): (values: SqlRow) => DecodedRow<F> {
  const decoders: Decode<unknown>[] = [];
  const literal: string[] = [];
  let bit = 1;
  for (const [name, field] of Object.entries(fields)) {
    if (isFlag(field)) {
      literal.push(`${name}: (flags & ${bit}) !== 0`);
      bit <<= 1;
    } else {
      const index = decoders.push(field.decode) - 1;
      literal.push(`${name}: decode${index}(values[${index}])`);
    }
  }
  const parameters = ["integerOf", ...decoders.keys().map((index) => `decode${index}`)];
  const body = `const flags = integerOf(values[${decoders.length}]); return { ${literal.join(", ")} };`;
  return new Function(...parameters, `return (values) => { ${body} };`)(integerOf, ...decoders);
}

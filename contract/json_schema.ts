/** The part of JSON Schema that an answer can be held to: what a grammar says exactly. */
import * as z from "zod";

const MAX_SCHEMA_LENGTH = 32_768;
const MAX_DEPTH = 32;
/** Of lengths and counts: a grammar spells each repetition out. */
const MAX_REPETITIONS = 1_000;

/** A schema that {@linkcode jsonSchemaSchema} has taken. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Words that say nothing of what is valid. */
const ANNOTATIONS = ["title", "description", "default", "examples", "$schema", "$comment"];
const SCALAR_TYPES = ["string", "number", "integer", "boolean", "null"];
const STRING_FORMATS = ["date", "time", "date-time"];

interface Fault {
  path: PropertyKey[];
  message: string;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): boolean {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_REPETITIONS;
}

type Check = (value: unknown, path: PropertyKey[], depth: number) => Fault[];

/** A check of one value by a predicate. */
function must(holds: (value: unknown) => boolean, message: string): Check {
  return (value, path) => holds(value) ? [] : [{ path, message }];
}

const count = must(isCount, `must be a whole number from 0 to ${MAX_REPETITIONS}`);
const schemas: Check = (value, path, depth) => {
  if (!Array.isArray(value) || value.length === 0) return [{ path, message: "must be a list of schemas" }];
  return value.flatMap((item, index) => faultsOf(item, [...path, index], depth + 1));
};

/** The words of each kind of schema. */
const KINDS: Readonly<
  Record<"any" | "choice" | "object" | "array" | "string" | "scalar", Record<string, Check>>
> = {
  any: { anyOf: schemas },
  choice: {
    const: must(isScalar, "must be a text, a number, true, false or null"),
    enum: must(
      (value) => Array.isArray(value) && value.length > 0 && value.every(isScalar),
      "must be a list of texts and numbers",
    ),
    type: must(() => true, ""),
  },
  object: {
    type: must(() => true, ""),
    properties: (value, path, depth) => {
      if (!isRecord(value)) return [{ path, message: "must be an object" }];
      return Object.entries(value).flatMap(([name, schema]) => faultsOf(schema, [...path, name], depth + 1));
    },
    required: must(Array.isArray, "must be a list"),
    additionalProperties: must((value) => typeof value === "boolean", "must be true or false"),
  },
  array: {
    type: must(() => true, ""),
    items: (value, path, depth) => faultsOf(value, path, depth + 1),
    minItems: count,
    maxItems: count,
  },
  string: {
    type: must(() => true, ""),
    minLength: count,
    maxLength: count,
    format: must(
      (value) => STRING_FORMATS.includes(String(value)),
      `must be one of ${STRING_FORMATS.join(", ")}`,
    ),
  },
  scalar: { type: must(() => true, "") },
};

function kindOf(schema: Record<string, unknown>): Record<string, Check> | undefined {
  const { type } = schema;
  if ("anyOf" in schema) return KINDS.any;
  if ("const" in schema || "enum" in schema) return KINDS.choice;
  if (type === "object") return KINDS.object;
  if (type === "array") return KINDS.array;
  if (type === "string") return KINDS.string;
  const types = Array.isArray(type) ? type : [type];
  return types.length > 0 && types.every((it) => SCALAR_TYPES.includes(it)) ? KINDS.scalar : undefined;
}

function faultsOf(schema: unknown, path: PropertyKey[], depth: number): Fault[] {
  if (depth > MAX_DEPTH) return [{ path, message: `is nested more than ${MAX_DEPTH} deep` }];
  const kind = isRecord(schema) ? kindOf(schema) : undefined;
  if (!isRecord(schema) || kind === undefined) {
    return [{ path, message: "must be a schema with type, anyOf, enum or const" }];
  }
  return Object.entries(schema).flatMap(([word, value]) => {
    if (ANNOTATIONS.includes(word)) return [];
    const check = kind[word];
    return check?.(value, [...path, word], depth) ??
      [{ path: [...path, word], message: "is not supported here: no grammar says it" }];
  });
}

/** A schema that an answer can be held to; every other one is refused, naming the word. */
export const jsonSchemaSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  const isLong = JSON.stringify(schema).length > MAX_SCHEMA_LENGTH;
  const faults = isLong
    ? [{ path: [], message: `must be at most ${MAX_SCHEMA_LENGTH} characters long` }]
    : faultsOf(schema, [], 0);
  for (const fault of faults.slice(0, 8)) context.addIssue({ code: "custom", ...fault });
});

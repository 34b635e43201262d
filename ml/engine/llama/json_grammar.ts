/** The grammar of the JSON texts that a schema allows, in llama.cpp's notation, as node-llama-cpp writes it. */
import type { Llama } from "node-llama-cpp";
import type { JsonSchema } from "../../../contract/json_schema.ts";
import { ApiError, messageOf } from "../../../lib/errors.ts";

/** node-llama-cpp's own loop ends a text at four line breaks, so it wants them of the grammar. */
const LINE_BREAKS = ' "\\n\\n\\n\\n" [\\n]*';

function isRecord(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same schema in node-llama-cpp's words. Alternatives are `oneOf` there, and objects have no others than their properties. */
function converted(schema: JsonSchema): JsonSchema {
  const { anyOf, properties, items, additionalProperties, ...rest } = schema;
  const each = (value: unknown) => isRecord(value) ? converted(value) : value;
  const isOpen = additionalProperties ?? (rest.type === "object" && properties === undefined);
  return {
    ...rest,
    ...(Array.isArray(anyOf) ? { oneOf: anyOf.map(each) } : {}),
    ...(items === undefined ? {} : { items: each(items) }),
    ...(isRecord(properties)
      ? { properties: Object.fromEntries(Object.entries(properties).map(([name, it]) => [name, each(it)])) }
      : {}),
    ...(isOpen ? { additionalProperties: true } : {}),
  };
}

/**
 * The grammar of a schema. All properties come, in the schema's order, also those that are not required.
 *
 * @throws ApiError `validation_failed` when none can be made
 */
export async function jsonGrammarOf(llama: Llama, schema: JsonSchema): Promise<string> {
  const { grammar } = await llama.createGrammarForJsonSchema(converted(schema) as { type: "object" }).catch(
    (cause) => {
      throw new ApiError("validation_failed", `The JSON schema makes no grammar: ${messageOf(cause)}`, {
        cause,
      });
    },
  );
  const [root = "", ...rules] = grammar.split("\n");
  if (!root.endsWith(LINE_BREAKS)) {
    throw new Error("node-llama-cpp ends its grammars in another way than this release");
  }
  return [root.slice(0, -LINE_BREAKS.length), ...rules].join("\n");
}

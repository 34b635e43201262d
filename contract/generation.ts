/** What ml says of a generation and the server of a draft: names of models, bounds, times. */
import * as z from "zod";

/** Longest prompt in UTF-16 units; what exceeds the model's context is cut by the engine. */
export const MAX_PROMPT_LENGTH = 1_000_000;
/** Replies to one prompt at most. */
export const MAX_CANDIDATES = 5;

/** The adapter of many people's texting that ml ships for the small model: it is nobody's own. */
export const TEXTING_ADAPTER_ID = "texting";

/** A model's name in the catalog or the models folder: no path, no URL, no two dots in a row. */
export const modelIdSchema = z.string().regex(
  /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  "must be a model id, not a path: letters, digits, dots, dashes, underscores",
);

export const timingsSchema = z.object({
  queue_ms: z.number().min(0),
  prompt_ms: z.number().min(0),
  prompt_tokens: z.int().min(0),
  cached_tokens: z.int().min(0).describe("Prompt tokens reused from an earlier request"),
  generate_ms: z.number().min(0),
  tokens_per_second: z.number().min(0),
}).meta({ id: "Timings" });
export type Timings = z.infer<typeof timingsSchema>;

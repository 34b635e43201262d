/** Owns what the server answers to a deletion: all that went with it. */
import { z } from "zod";

export const deletionSchema = z.object({
  messages: z.int().min(0),
  responses: z.int().min(0).describe("Drafts"),
  samples: z.int().min(0).describe("Training samples"),
  taintedAdapterIds: z.array(z.string())
    .describe("Adapters that learned from what was deleted; they are used no more"),
}).meta({ id: "Deletion" });
export type Deletion = z.infer<typeof deletionSchema>;

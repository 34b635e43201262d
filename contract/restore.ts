/** The wire of `POST /api/restore`. The body is the backup file; what else it needs comes in headers and the query. */
import * as z from "zod";
import { timeSchema } from "./scalars.ts";

export const restoreHeadersSchema = z.object({
  "backup-key": z.string().max(200).optional().describe(
    "The secret key (`AGE-SECRET-KEY-1…`) of an encrypted backup",
  ),
  "setup-code": z.string().min(1).max(40).optional()
    .describe(
      "What the server prints at its start; needed from another machine, and where the server is on a network",
    ),
});

export const restoreQuerySchema = z.object({
  adapters: z.enum(["true", "false"]).default("true")
    .describe("`false` leaves the adapters out, for a server without the ml that had them"),
});

export const restoreResponseSchema = z.object({
  createdAt: timeSchema.describe("When the backup was made"),
  rows: z.int().min(0),
  adapters: z.int().min(0).describe("Adapters that ml has taken in"),
  adaptersLeftOut: z.int().min(0).describe("Adapters that ml has and does not serve any more"),
}).meta({ id: "Restore" });
export type RestoreResponse = z.infer<typeof restoreResponseSchema>;

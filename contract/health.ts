/** The wire of the server's health answer, and of both services' readiness. */
import * as z from "zod";

export const serverHealthSchema = z.object({
  status: z.enum(["healthy", "degraded"]),
  version: z.string(),
  wire_version: z.int().min(1).optional().describe(
    "The newest version of the header `X-Wire-Version` that is understood",
  ),
  database_connected: z.boolean(),
  kv_connected: z.boolean(),
  ml: z.enum(["ready", "loading", "unavailable"]).describe("The ml service as last seen"),
  model_version: z.string().nullable(),
  adapters: z.object({
    agrees: z.int().min(0),
    measured: z.int().min(0),
    refused: z.int().min(0),
  }).optional().describe(
    "How many of the adapters that ml loaded last are applied as they were trained, are applied without figures of " +
      "their training, and were refused because they are not applied",
  ),
}).meta({ id: "ServerHealth" });
export type ServerHealth = z.infer<typeof serverHealthSchema>;

/** The answer of `GET /ready`; where a service is not ready it is an error with status 503. */
export const readySchema = z.object({ ready: z.literal(true) }).meta({ id: "Ready" });

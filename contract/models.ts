/** The wire of the server's `/api/models`: an account's adapters, and which one drafts are made with. */
import * as z from "zod";
import { describedTime, idSchema, timeSchema } from "./scalars.ts";
import { trainingOutcomeSchema } from "./training_figures.ts";

export const ADAPTER_STATES = ["staged", "promoted", "retired", "tainted"] as const;
export const ADAPTER_FAULTS = ["unknown", "refused", "damaged"] as const;

export const adapterStateSchema = z.enum(ADAPTER_STATES).meta({ id: "AdapterState" })
  .describe("`tainted`: it learned from something that was deleted since, and is used no more");
export type AdapterState = z.infer<typeof adapterStateSchema>;
export type AdapterFault = typeof ADAPTER_FAULTS[number];

/** An adapter's name, as ml gave it. */
export const adapterIdSchema = z.string().min(1).max(128);

export const adapterSchema = trainingOutcomeSchema.omit({ adapterId: true }).extend({
  id: adapterIdSchema,
  jobId: idSchema.describe("The training job that made it"),
  baseModel: z.string(),
  state: adapterStateSchema,
  fault: z.enum(ADAPTER_FAULTS).nullable()
    .describe(
      "Why ml did not draft with it the last time it was asked to: it has no such adapter, refuses it, or its file " +
        "is not the one that was trained. Such drafts come from the base model, as their `modelVersion` says",
    ),
  createdAt: timeSchema,
  promotedAt: describedTime("When it last came into use").nullable(),
}).meta({ id: "Adapter" });
export type Adapter = z.infer<typeof adapterSchema>;

export const modelsResponseSchema = z.object({
  baseModel: z.string().nullable().describe("The model that ml has loaded; null while it cannot be asked"),
  promotedAdapterId: adapterIdSchema.nullable().describe(
    "Drafts are made with it; null: with the base model",
  ),
  canRollback: z.boolean(),
  adapters: z.array(adapterSchema).describe("Newest first"),
}).meta({ id: "Models" });
export type ModelsResponse = z.infer<typeof modelsResponseSchema>;

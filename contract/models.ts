/** The wire of the server's `/api/models`: an account's adapters, and which one drafts are made with. */
import * as z from "zod";
import { describedTime, idSchema, timeSchema } from "./scalars.ts";
import { trainingSampleSchema } from "./training.ts";
import { trainingOutcomeSchema } from "./training_figures.ts";

export const ADAPTER_STATES = ["staged", "promoted", "retired", "tainted"] as const;
export const ADAPTER_FAULTS = ["unknown", "refused", "damaged", "unproven"] as const;

export const adapterStateSchema = z.enum(ADAPTER_STATES).meta({ id: "AdapterState" })
  .describe("`tainted`: it learned from something that was deleted since, and is used no more");
export type AdapterState = z.infer<typeof adapterStateSchema>;
export type AdapterFault = typeof ADAPTER_FAULTS[number];

/** An adapter's name, as ml gave it. */
export const adapterIdSchema = z.string().min(1).max(128);

/** What a fixed probe showed of an adapter where it is served. */
export const appliedAdapterSchema = z.object({
  id: adapterIdSchema,
  sha256: z.string().describe("Of its file, in hex"),
  probe: z.enum(["agrees", "measured", "refused"]).describe(
    "`agrees`: it changes the model as it did in training; `measured`: it changes the model, and nothing was stored in " +
      "training to compare with; `refused`: it does not change the model, or not as it did in training, and drafts nothing",
  ),
  shift: z.number().min(0).nullable().describe(
    "How far it moves the log-probability of a token of the probe; null where it was refused",
  ),
  expectedShift: z.number().min(0).nullable().describe("The same as measured when it was trained"),
}).meta({ id: "AppliedAdapter" });
export type AppliedAdapter = z.infer<typeof appliedAdapterSchema>;

export const adapterSchema = trainingOutcomeSchema.omit({ adapterId: true, heldOutIds: true }).extend({
  id: adapterIdSchema,
  jobId: idSchema.describe("The training job that made it"),
  baseModel: z.string(),
  state: adapterStateSchema,
  fault: z.enum(ADAPTER_FAULTS).nullable()
    .describe(
      "Why ml did not draft with it the last time it was asked to: it has no such adapter, refuses it, its file is " +
        "not the one that was trained, or the probe showed that it is not applied. Such drafts come from the base model, as their `modelVersion` says",
    ),
  applied: appliedAdapterSchema.nullable().optional().describe(
    "What the probe showed when ml last loaded it; null where ml has not loaded it since it started",
  ),
  createdAt: timeSchema,
  promotedAt: describedTime("When it last came into use").nullable(),
}).meta({ id: "Adapter" });
export type Adapter = z.infer<typeof adapterSchema>;

const probability = z.number().min(0).max(1);

/** How far a probability that is learned for an account agrees with what happened. */
export const calibrationSchema = z.object({
  labels: z.int().min(0).describe("Outcomes that are known, of the latest 2,000 at most"),
  positives: z.int().min(0).describe("Those that came out as the probability says"),
  method: z.enum(["prior", "platt", "isotonic"]).describe(
    "`prior`: weights from public conversations, moved by what outcomes there are; from 50 outcomes on `platt`, from 1,000 " +
      "`isotonic`, if at least 10 came out either way",
  ),
  ece: probability.nullable().describe(
    "Expected calibration error: how far probability and outcome are apart on average, each outcome predicted without " +
      "itself and its neighbours; null with fewer than 30",
  ),
  bins: z.array(z.object({
    count: z.int().min(1),
    predicted: probability.describe("The mean probability"),
    observed: probability.describe("The share that came out so"),
  })).describe("The reliability curve, in bins of equal counts; empty with fewer than 30 outcomes"),
  positivesAtHalfCoverage: probability.nullable().describe(
    "The share of positives in the more probable half, predicted as for `ece`; to compare with `positives / labels`; null with fewer " +
      "than 30",
  ),
}).meta({ id: "Calibration" });
export type Calibration = z.infer<typeof calibrationSchema>;

export const modelsResponseSchema = z.object({
  baseModel: z.string().nullable().describe("The model that ml has loaded; null while it cannot be asked"),
  promotedAdapterId: adapterIdSchema.nullable().describe(
    "Drafts are made with it; null: with the base model",
  ),
  texting: appliedAdapterSchema.nullable().optional().describe(
    "The shipped adapter of many people's texting, with which drafts are made where none is promoted, once one was; null " +
      "where ml has none for its model",
  ),
  canRollback: z.boolean(),
  adapters: z.array(adapterSchema).describe("Newest first"),
  acceptance: calibrationSchema.optional().describe(
    "Of `confidence`: whether a draft is sent with at most small changes, by the person's actions and by what was sent",
  ),
  trigger: calibrationSchema.optional().describe(
    "Of `replyProbability` of conversations: whether the person answers what others write within six hours",
  ),
}).meta({ id: "Models" });
export type ModelsResponse = z.infer<typeof modelsResponseSchema>;

export const heldOutRepliesSchema = z.object({
  samples: z.array(trainingSampleSchema).describe("Those that are still there; empty where none were noted"),
}).meta({ id: "HeldOutReplies" });
export type HeldOutReplies = z.infer<typeof heldOutRepliesSchema>;

export const compareDraftsRequestSchema = z.object({
  sampleId: idSchema.describe("One of the adapter's held-out replies"),
}).meta({ id: "CompareDraftsRequest" });

/** Who may answer: the base model as it is, what drafts where no adapter of the account does, and the adapter. */
export const DRAFT_WRITERS = ["base", "examples", "adapter"] as const;

export const comparedDraftsSchema = z.object({
  drafts: z.array(z.object({
    by: z.enum(DRAFT_WRITERS).describe(
      "`base`: the base model as it is; `examples`: what drafts without the adapter: the base model, with the shipped adapter " +
        "where there is one, shown the five most similar replies that were learned from; `adapter`: the adapter",
    ),
    text: z.string(),
    modelVersion: z.string(),
  })).describe("One of each, made for this answer and stored nowhere"),
}).meta({ id: "ComparedDrafts" });
export type ComparedDrafts = z.infer<typeof comparedDraftsSchema>;

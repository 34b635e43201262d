/** The wire of `/api/responses`: requesting a draft, and reporting what the person did with it. */
import * as z from "zod";
import { pageFields } from "./paging.ts";
import { idSchema, MAX_TEXT_LENGTH, textSchema, timeSchema } from "./scalars.ts";
import { MAX_CANDIDATES, timingsSchema } from "./generation.ts";
import { appliedAdapterSchema } from "./models.ts";

export const RESPONSE_STATUSES = ["queued", "generating", "completed", "failed", "cancelled"] as const;
export const RESPONSE_ACTIONS = ["accept", "edit", "reject"] as const;
export const ABSTENTION_REASONS = ["code", "opinion", "commitment", "fact", "unsure"] as const;
export const MAX_HISTORY = 200;
export const DEFAULT_HISTORY = 10;

export const responseStatusSchema = z.enum(RESPONSE_STATUSES).meta({ id: "ResponseStatus" });
export type ResponseStatus = z.infer<typeof responseStatusSchema>;
export type AbstentionReason = typeof ABSTENTION_REASONS[number];
export const responseActionSchema = z.enum(RESPONSE_ACTIONS).meta({ id: "ResponseActionName" });

export const generateContextSchema = z.object({
  maxHistory: z.int().min(0).max(MAX_HISTORY).default(DEFAULT_HISTORY)
    .describe("Earlier messages of the conversation to show the model"),
  includeContactInfo: z.boolean().default(true).describe("Tell the model who it writes to"),
  temperature: z.number().min(0).max(2).default(1)
    .describe("At 1 drafts vary as replies do; lower ones are blander"),
  maxTokens: z.int().min(1).max(2_048).default(256),
}).meta({ id: "GenerateContext" });
export type GenerateContext = z.infer<typeof generateContextSchema>;

export const generateResponseRequestSchema = z.object({
  messageId: idSchema.describe("The incoming message to answer"),
  context: generateContextSchema.optional(),
  async: z.boolean().default(false).describe("Answer 202 at once and draft in the background"),
  candidates: z.int().min(1).max(MAX_CANDIDATES).optional().describe(
    "Drafts to choose from at most, 1 by default; at temperature 0 there is one. A stream has no `token` events when they " +
      "are more than 1: which one comes first is known when all are there",
  ),
}).meta({ id: "GenerateResponseRequest" });
export type GenerateResponseRequest = z.infer<typeof generateResponseRequestSchema>;

/** The header with which a request for a draft may be sent again. */
export const idempotencyHeaderSchema = z.object({
  "idempotency-key": z.string().regex(/^[\x21-\x7e]{1,200}$/, "must be 1 to 200 visible ASCII characters")
    .optional(),
});

/** Where a draft that waits is; absent for one that does not. */
const queueFields = {
  position: z.int().min(1).nullable().optional().describe(
    "Place in the queue, 1 for the next to start; it starts earlier where those before it are another account's",
  ),
  mlOfflineSince: timeSchema.nullable().optional()
    .describe("Since when drafts have found ml away; null while it is there"),
};

const unsupportedSchema = z.array(z.string());

export const draftCandidateSchema = z.object({
  id: z.int().min(1).max(MAX_CANDIDATES).describe("Its rank: 1 is the best, which is the draft's `response`"),
  text: z.string(),
  confidence: z.number().min(0).max(1).describe("As the draft's"),
  rawConfidence: z.number().min(0).max(1),
  tokensUsed: z.int().min(0),
  unsupported: unsupportedSchema.describe("As the draft's"),
}).meta({ id: "DraftCandidate" });
export type DraftCandidate = z.infer<typeof draftCandidateSchema>;

export const generatedResponseSchema = z.object({
  responseId: idSchema,
  status: responseStatusSchema,
  response: z.string().nullable(),
  confidence: z.number().min(0).max(1).nullable().describe(
    "The probability that the person would send it with at most small changes, as their earlier actions say",
  ),
  rawConfidence: z.number().min(0).max(1).nullable().optional().describe(
    "Geometric mean probability of its tokens, as ml gave it",
  ),
  suggested: z.boolean().nullable().optional().describe(
    "False for a draft that is none of the share which `draftCoverage` of the account's settings asks for: it is shown to " +
      "whoever asked for it, and offered to nobody else. Null until it is completed",
  ),
  reason: z.enum(ABSTENTION_REASONS).nullable().optional().describe(
    "Why `suggested` is false: the message asks for a code, an opinion, a commitment, or a fact that only the person knows; " +
      "`unsure`: none of these, but the draft is less likely to be sent than usual",
  ),
  modelVersion: z.string().nullable(),
  tokensUsed: z.int().min(0).nullable(),
  timings: timingsSchema.nullable().optional(),
  adapter: appliedAdapterSchema.nullable().optional().describe(
    "The adapter that wrote it, and the proof that it was applied; null: the base model wrote it",
  ),
  exampleCount: z.int().min(0).nullable().optional().describe(
    "Earlier replies of the person that the prompt shows as examples; null for a draft made before they were counted",
  ),
  ...queueFields,
  unsupported: unsupportedSchema.nullable().optional().describe(
    "Numbers, times, days, names and links of the draft that neither the conversation nor the examples have, as the " +
      "draft writes them: the model may have made them up. Null for a draft without a text",
  ),
  candidates: z.array(draftCandidateSchema).nullable().optional().describe(
    "The best first, near-duplicates left out, so that there may be fewer than were asked for; null where one was",
  ),
}).meta({ id: "GeneratedResponse" });
export type GeneratedResponse = z.infer<typeof generatedResponseSchema>;

export const sentReplySchema = z.object({
  text: z.string().nullable()
    .describe("The words of its messages, a line for each message; null where it has none, only pictures"),
  messages: z.array(z.object({
    id: idSchema,
    text: z.string().nullable(),
    sentAt: timeSchema,
    editedAt: timeSchema.nullable().describe("When the person last edited it; `text` is what it says since"),
  })).min(1),
  answeredMessageId: idSchema
    .describe(
      "The last message of others before it: another than `messageId` where more was written meanwhile",
    ),
}).meta({ id: "SentReply" });
export type SentReply = z.infer<typeof sentReplySchema>;

/** The complete record of a draft. */
export const responseRecordSchema = generatedResponseSchema.extend({
  conversationId: idSchema,
  messageId: idSchema,
  error: z.string().nullable(),
  action: responseActionSchema.nullable(),
  editedResponse: z.string().nullable(),
  rejectionReason: z.string().nullable(),
  chosenCandidate: z.int().nullable().optional().describe(
    "The candidate that was accepted or edited, whose text `response` is since; null where none was named",
  ),
  createdAt: timeSchema,
  completedAt: timeSchema.nullable(),
  actedAt: timeSchema.nullable(),
  stale: z.boolean().optional()
    .describe("True when a message that the draft was made from was edited or unsent since"),
  sentReply: sentReplySchema.nullable().optional()
    .describe(
      "What the person really sent after the message, as Messages has it now: failed, unsent and deleted messages are " +
        "not in it. Null while there is none; absent for a draft that is not completed",
    ),
}).meta({ id: "Response" });
export type ResponseRecord = z.infer<typeof responseRecordSchema>;

export const responseListSchema = z.object({ responses: z.array(responseRecordSchema), ...pageFields })
  .meta({ id: "ResponseList" });
export type ResponseList = z.infer<typeof responseListSchema>;

const candidateField = draftCandidateSchema.shape.id.optional()
  .describe("The id of the candidate that it is about; by default the first");

export const responseActionRequestSchema = z.discriminatedUnion("action", [
  z.object({ action: z.literal("accept"), candidate: candidateField }),
  z.object({
    action: z.literal("edit"),
    editedResponse: textSchema(MAX_TEXT_LENGTH, { minLength: 1 }),
    candidate: candidateField,
  }),
  z.object({ action: z.literal("reject"), rejectionReason: textSchema(2_000).optional() }),
]).meta({ id: "ResponseActionRequest" });
export type ResponseActionRequest = z.infer<typeof responseActionRequestSchema>;

export const responseActionResponseSchema = z.object({
  response: responseRecordSchema,
  trainingSampleId: idSchema.nullable().describe("The training sample that this action made"),
}).meta({ id: "ResponseActionResponse" });
export type ResponseActionResponse = z.infer<typeof responseActionResponseSchema>;

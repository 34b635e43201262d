/** The wire of `/api/conversations` and `/api/contacts`: synced data read back, and what a deletion removed. */
import { pageFields, pageQuery, pageQuerySchema } from "./paging.ts";
import { idSchema, labelSchema, timeSchema } from "./scalars.ts";
import {
  attachmentSchema,
  MAX_ADDRESS_LENGTH,
  messageDirectionSchema,
  messageLabels,
  messageTimes,
  messageTypeSchema,
  reactionSchema,
} from "./sync.ts";
import * as z from "zod";

/** When drafts are made in a conversation. Nothing is ever sent by itself. */
export const DRAFTING_MODES = ["off", "on_demand", "automatic"] as const;
export const draftingModeSchema = z.enum(DRAFTING_MODES).meta({ id: "DraftingMode" });
export type DraftingMode = z.infer<typeof draftingModeSchema>;
/** The mode of a conversation for which none was chosen. */
export const DEFAULT_DRAFTING: DraftingMode = "on_demand";

const draftingField = draftingModeSchema.describe(
  "When drafts are made: never, when somebody asks for one, or by the agent itself soon after a message",
);
const neverTrainField = z.boolean().describe(
  "Whether nothing is learned from it: it makes no training samples, nor an example for a draft to somebody else",
);

export const conversationSchema = z.object({
  id: idSchema,
  imessageId: z.string(),
  displayName: z.string().nullable(),
  isGroup: z.boolean(),
  participantIds: z.array(z.string()),
  messageCount: z.int().min(0),
  lastMessageAt: timeSchema.nullable(),
  createdAt: timeSchema,
  lastMessage: z.object({
    direction: messageDirectionSchema,
    messageType: messageTypeSchema,
    text: z.string().nullable(),
  }).nullable().optional().describe("The newest message; null where there is none"),
  waiting: z.boolean().optional().describe(
    "Whether one of the ten newest messages waits for an answer that a draft could give",
  ),
  replyProbability: z.number().min(0).max(1).nullable().optional().describe(
    "The probability that the person answers what waits within six hours, as their earlier answers say; null where nothing waits",
  ),
  replyExpected: z.boolean().nullable().optional().describe(
    "False where what waits is none of the share that `automaticCoverage` of the account's settings asks for: no draft is made " +
      "for it by itself, only for whoever asks. Null where nothing waits",
  ),
  drafting: draftingField.optional(),
  neverTrain: neverTrainField.optional(),
}).meta({ id: "Conversation" });
export type Conversation = z.infer<typeof conversationSchema>;

export const conversationListSchema = z.object({ conversations: z.array(conversationSchema), ...pageFields })
  .meta({ id: "ConversationList", description: "Newest activity first" });
export type ConversationList = z.infer<typeof conversationListSchema>;

export const conversationResponseSchema = z.object({ conversation: conversationSchema })
  .meta({ id: "ConversationResponse" });
export type ConversationResponse = z.infer<typeof conversationResponseSchema>;

/** `?name=true` or `?name=false`. */
const flagQuerySchema = z.enum(["true", "false"]).transform((value) => value === "true")
  .meta({ type: "boolean" });

export const conversationsQuerySchema = pageQuery.extend({
  drafting: draftingModeSchema.optional().describe("Only conversations of this mode"),
  neverTrain: flagQuerySchema.optional().describe(
    "With `true`, the list of those that nothing is learned from",
  ),
});
export type ConversationsQuery = z.infer<typeof conversationsQuerySchema>;

export const changeConversationRequestSchema = z.strictObject({
  drafting: draftingField.optional(),
  neverTrain: neverTrainField.optional(),
  dryRun: z.boolean().default(false).describe("Nothing is changed: the answer says what would go"),
}).refine(({ drafting, neverTrain }) => drafting !== undefined || neverTrain !== undefined, {
  message: "must carry drafting, neverTrain, or both",
}).meta({ id: "ChangeConversationRequest" });
export type ChangeConversationRequest = z.infer<typeof changeConversationRequestSchema>;

/** With `dryRun` a deletion is only tried: its answer says what would go, and all is still there. */
export const deletionQuerySchema = z.object({
  dryRun: flagQuerySchema.optional().describe("Nothing is deleted: the answer says what would go"),
});

export const messageSchema = z.object({
  id: idSchema,
  conversationId: idSchema,
  imessageGuid: z.string(),
  senderId: z.string().nullable(),
  direction: messageDirectionSchema,
  messageType: messageTypeSchema,
  text: z.string().nullable(),
  sentAt: timeSchema,
  ...messageTimes,
  editedAt: timeSchema.nullable(),
  retractedAt: timeSchema.nullable(),
  failed: z.boolean().optional().describe("True for an outgoing message that reached nobody"),
  ...messageLabels,
  replyToGuid: z.string().nullable(),
  reactions: z.array(reactionSchema),
  attachments: z.array(attachmentSchema),
}).meta({ id: "Message" });
export type Message = z.infer<typeof messageSchema>;

/** The paging of a conversation's messages. */
export const messagesQuery = pageQuerySchema(50).extend({
  around: idSchema.optional().describe(
    "The page has this message in its middle, with as many newer as older ones; it has at least three places then",
  ),
}).refine(({ around, pageSize, cursor }) => around === undefined || cursor !== undefined || pageSize >= 3, {
  path: ["pageSize"],
  message: "must be at least 3 with `around`",
});
export type MessagesQuery = z.infer<typeof messagesQuery>;

export const messageListSchema = z.object({
  messages: z.array(messageSchema),
  ...pageFields,
  previousCursor: z.string().nullable().optional().describe(
    "With `around`: give it as `cursor` to read newer messages; null where there are none",
  ),
})
  .meta({ id: "MessageList", description: "Newest first" });
export type MessageList = z.infer<typeof messageListSchema>;

export const contactSchema = z.object({
  id: idSchema,
  appleId: z.string().nullable(),
  phoneNumber: z.string().nullable(),
  email: z.string().nullable(),
  displayName: z.string().nullable(),
  avatarHash: z.string().nullable(),
}).meta({ id: "Contact" });
export type Contact = z.infer<typeof contactSchema>;

export const contactListSchema = z.object({ contacts: z.array(contactSchema), ...pageFields })
  .meta({ id: "ContactList" });
export type ContactList = z.infer<typeof contactListSchema>;

export const deletionSchema = z.object({
  messages: z.int().min(0),
  responses: z.int().min(0).describe("Drafts"),
  samples: z.int().min(0).describe("Training samples"),
  taintedAdapterIds: z.array(z.string())
    .describe("Adapters that learned from what was deleted; they are used no more"),
  conversations: z.int().min(0).optional().describe("Of a person: the conversations with nobody else"),
  contacts: z.int().min(0).optional().describe("Of a person: the entries of the address book"),
}).meta({ id: "Deletion" });
export type Deletion = z.infer<typeof deletionSchema>;

export const deletePersonRequestSchema = z.strictObject({
  address: labelSchema(MAX_ADDRESS_LENGTH)
    .describe(
      "A phone number, e-mail address or Apple id as conversations and contacts have it, in any case",
    ),
  dryRun: z.boolean().default(false).describe("Nothing is deleted: the answer says what would go"),
}).meta({ id: "DeletePersonRequest" });
export type DeletePersonRequest = z.infer<typeof deletePersonRequestSchema>;

export const changeConversationResponseSchema = z.object({
  conversation: conversationSchema,
  deletion: deletionSchema.describe(
    "The samples that went with `neverTrain`, and what had learned from them",
  ),
}).meta({ id: "ChangeConversationResponse" });
export type ChangeConversationResponse = z.infer<typeof changeConversationResponseSchema>;

/** The wire of `/api/conversations` and `/api/contacts`: synced data read back, and what a deletion removed. */
import { pageFields } from "./paging.ts";
import { describedTime, idSchema, timeSchema } from "./scalars.ts";
import { attachmentSchema, messageDirectionSchema, messageTypeSchema, reactionSchema } from "./sync.ts";
import * as z from "zod";

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
}).meta({ id: "Conversation" });
export type Conversation = z.infer<typeof conversationSchema>;

export const conversationListSchema = z.object({ conversations: z.array(conversationSchema), ...pageFields })
  .meta({ id: "ConversationList", description: "Newest activity first" });
export type ConversationList = z.infer<typeof conversationListSchema>;

export const conversationResponseSchema = z.object({ conversation: conversationSchema })
  .meta({ id: "ConversationResponse" });
export type ConversationResponse = z.infer<typeof conversationResponseSchema>;

export const messageSchema = z.object({
  id: idSchema,
  conversationId: idSchema,
  imessageGuid: z.string(),
  senderId: z.string().nullable(),
  direction: messageDirectionSchema,
  messageType: messageTypeSchema,
  text: z.string().nullable(),
  sentAt: timeSchema,
  editedAt: timeSchema.nullable(),
  retractedAt: timeSchema.nullable(),
  readAt: describedTime(
    "When its reader read it: the owner an incoming message, the other side an outgoing one",
  ).nullable().optional(),
  deliveredAt: describedTime("When an outgoing message reached the other side").nullable().optional(),
  failed: z.boolean().optional().describe("True for an outgoing message that reached nobody"),
  replyToGuid: z.string().nullable(),
  reactions: z.array(reactionSchema),
  attachments: z.array(attachmentSchema),
}).meta({ id: "Message" });
export type Message = z.infer<typeof messageSchema>;

export const messageListSchema = z.object({ messages: z.array(messageSchema), ...pageFields })
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
}).meta({ id: "Deletion" });
export type Deletion = z.infer<typeof deletionSchema>;

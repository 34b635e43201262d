/** The wire of `/api/sync`: the batches of messages and contacts that an agent sends. */
import * as z from "zod";
import { describedTime, idSchema, labelSchema, MAX_TEXT_LENGTH, textSchema, timeSchema } from "./scalars.ts";

export const MAX_SYNC_MESSAGES = 1_000;
export const MAX_SYNC_CONTACTS = 1_000;
export const MAX_SYNC_DELETIONS = 1_000;
export const MAX_PARTICIPANTS = 1_000;
export const MAX_REACTIONS = 1_000;
export const MAX_ATTACHMENTS = 200;
/** Longest phone number, e-mail address or Apple id of a sender or participant. */
export const MAX_ADDRESS_LENGTH = 320;
export const MAX_PHONE_NUMBER_LENGTH = 64;
/** Longest name of a contact or a conversation. */
export const MAX_DISPLAY_NAME_LENGTH = 512;
export const MAX_CONVERSATION_ID_LENGTH = 512;
export const MAX_FILE_NAME_LENGTH = 1_024;
/** A reaction's emoji: one that is joined of several takes many UTF-16 units. */
export const MAX_EMOJI_LENGTH = 64;
/** A batch larger than this is refused with 413, so the agent also cuts its batches by size. */
export const MAX_SYNC_BODY_BYTES = 8 * 1024 * 1024;

export const MESSAGE_DIRECTIONS = ["incoming", "outgoing"] as const;
export const MESSAGE_TYPES = [
  "text",
  "image",
  "video",
  "audio",
  "file",
  "sticker",
  "app",
  "system",
  "other",
] as const;
export const REACTION_KINDS = [
  "love",
  "like",
  "dislike",
  "laugh",
  "emphasize",
  "question",
  "emoji",
  "sticker",
] as const;

export const messageDirectionSchema = z.enum(MESSAGE_DIRECTIONS).meta({ id: "MessageDirection" });
export const messageTypeSchema = z.enum(MESSAGE_TYPES).meta({ id: "MessageType" });
export type MessageDirection = z.infer<typeof messageDirectionSchema>;
export type MessageType = z.infer<typeof messageTypeSchema>;

export const attachmentSchema = z.object({
  guid: labelSchema(),
  mimeType: labelSchema().nullable().optional(),
  name: textSchema(MAX_FILE_NAME_LENGTH).nullable().optional(),
  sizeBytes: z.int().min(0).optional(),
}).meta({ id: "Attachment" });
export type Attachment = z.infer<typeof attachmentSchema>;

export const reactionSchema = z.object({
  kind: z.enum(REACTION_KINDS),
  emoji: textSchema(MAX_EMOJI_LENGTH).optional(),
  senderId: labelSchema(MAX_ADDRESS_LENGTH).nullable().describe("null when the owner reacted"),
  reactedAt: timeSchema.optional(),
}).meta({ id: "Reaction" });
export type Reaction = z.infer<typeof reactionSchema>;

/** The times that a message may have beside its own: sent, stored and answered by these names. */
export const messageTimes = {
  editedAt: timeSchema.nullable().optional(),
  retractedAt: describedTime("Set when the sender unsent the message").nullable().optional(),
  readAt: describedTime(
    "When its reader read it: the owner an incoming message, the other side an outgoing one",
  ).nullable().optional(),
  deliveredAt: describedTime("When an outgoing message reached the other side").nullable().optional(),
};
/** The labels that a message may have, likewise. */
export const messageLabels = { replyToGuid: labelSchema().nullable().optional() };
export const MESSAGE_TIMES = namesOf(messageTimes);
export const MESSAGE_LABELS = namesOf(messageLabels);

function namesOf<Fields extends object>(fields: Fields): readonly (keyof Fields)[] {
  return Object.keys(fields) as (keyof Fields)[];
}

export const syncMessageSchema = z.object({
  imessageGuid: labelSchema(),
  senderId: labelSchema(MAX_ADDRESS_LENGTH).nullable().optional(),
  direction: messageDirectionSchema,
  messageType: messageTypeSchema.default("text"),
  text: textSchema(MAX_TEXT_LENGTH).nullable().optional(),
  sentAt: timeSchema,
  ...messageTimes,
  failed: z.boolean().optional().describe("True for an outgoing message that Messages could not deliver"),
  ...messageLabels,
  reactions: z.array(reactionSchema).max(MAX_REACTIONS).optional(),
  attachments: z.array(attachmentSchema).max(MAX_ATTACHMENTS).optional(),
}).meta({ id: "SyncMessage" });
export type SyncMessage = z.infer<typeof syncMessageSchema>;

const lagSchema = z.int().min(0).describe("Rows of chat.db that still wait on the device");

export const syncMessagesRequestSchema = z.object({
  conversationImessageId: labelSchema(MAX_CONVERSATION_ID_LENGTH),
  conversationDisplayName: textSchema(MAX_DISPLAY_NAME_LENGTH).nullable().optional()
    .describe("Null takes a group's name away; without it the conversation keeps the name that it has"),
  isGroup: z.boolean(),
  participantIds: z.array(labelSchema(MAX_ADDRESS_LENGTH)).max(MAX_PARTICIPANTS),
  messages: z.array(syncMessageSchema).max(MAX_SYNC_MESSAGES),
  lagRows: lagSchema.optional(),
}).meta({ id: "SyncMessagesRequest" });
/** A parsed batch: defaults are filled in. */
export type SyncMessagesRequest = z.infer<typeof syncMessagesRequestSchema>;
/** A batch as a client may write it. */
export type SyncMessagesInput = z.input<typeof syncMessagesRequestSchema>;

const syncCounts = {
  inserted: z.int().min(0),
  updated: z.int().min(0),
  unchanged: z.int().min(0).describe("Already stored exactly so; a repeated batch is all unchanged"),
};

export const syncMessagesResponseSchema = z.object({ conversationId: idSchema, ...syncCounts })
  .meta({ id: "SyncMessagesResponse" });
export type SyncMessagesResponse = z.infer<typeof syncMessagesResponseSchema>;

export const syncContactSchema = z.object({
  appleId: labelSchema(MAX_ADDRESS_LENGTH).nullable().optional(),
  phoneNumber: labelSchema(MAX_PHONE_NUMBER_LENGTH).nullable().optional(),
  email: labelSchema(MAX_ADDRESS_LENGTH).nullable().optional(),
  displayName: textSchema(MAX_DISPLAY_NAME_LENGTH).nullable().optional(),
  avatarHash: labelSchema(128).nullable().optional(),
  personId: labelSchema(128).nullable().optional().describe(
    "An opaque word that all addresses of one person carry; a draft to one of them is also made from what was written to " +
      "the others. Without it a contact is a person of its own",
  ),
}).refine((contact) => contact.appleId ?? contact.phoneNumber ?? contact.email, {
  message: "must carry at least one of appleId, phoneNumber, email",
}).meta({ id: "SyncContact" });
export type SyncContact = z.infer<typeof syncContactSchema>;

export const syncContactsRequestSchema = z.object({
  contacts: z.array(syncContactSchema).max(MAX_SYNC_CONTACTS),
  deleted: z.array(z.string().regex(/^[0-9a-f]{24,64}$/)).max(MAX_SYNC_CONTACTS).optional()
    .describe(
      "Contacts that the device no longer has, each as the beginning of the SHA-256, in hex, of the JSON list of its " +
        "appleId, phoneNumber and email, null where there is none",
    ),
}).meta({ id: "SyncContactsRequest" });
export type SyncContactsRequest = z.infer<typeof syncContactsRequestSchema>;

export const syncContactsResponseSchema = z.object({
  ...syncCounts,
  deleted: z.int().min(0).optional().describe("Contacts that were deleted; absent when none was to be"),
}).meta({ id: "SyncContactsResponse" });
export type SyncContactsResponse = z.infer<typeof syncContactsResponseSchema>;

export const syncDeletionsRequestSchema = z.object({
  imessageGuids: z.array(labelSchema()).max(MAX_SYNC_DELETIONS),
}).meta({ id: "SyncDeletionsRequest" });
export type SyncDeletionsRequest = z.infer<typeof syncDeletionsRequestSchema>;

export const syncDeletionsResponseSchema = z.object({
  deleted: z.int().min(0),
  unknown: z.int().min(0).describe("Not stored, or deleted before; a repeated request is all unknown"),
}).meta({ id: "SyncDeletionsResponse" });
export type SyncDeletionsResponse = z.infer<typeof syncDeletionsResponseSchema>;

const rowCount = z.int().min(0);

export const captureSchema = z.object({
  rowsRead: rowCount.describe(
    "Rows of chat.db whose outcome is final: `stored`, `refused` and `setAside` together",
  ),
  stored: rowCount.describe("Messages that the server has acknowledged"),
  refused: rowCount.describe("Messages that the server refused"),
  setAside: rowCount.describe(
    "Rows that are no messages of their own, and messages from before the date that it was to begin at",
  ),
  gaps: rowCount.describe(
    "Rows among them that were never read, or are not acknowledged yet; those that wait are `lagRows`",
  ),
}).meta({ id: "Capture", description: "What happened to each row of chat.db that a device has come past" });
export type Capture = z.infer<typeof captureSchema>;

export const syncHeartbeatRequestSchema = z.object({
  lagRows: lagSchema,
  capture: captureSchema.optional().describe("Absent: the last reported one stays"),
}).meta({ id: "SyncHeartbeatRequest" });
export type SyncHeartbeatRequest = z.infer<typeof syncHeartbeatRequestSchema>;

export const syncHeartbeatResponseSchema = z.object({ receivedAt: timeSchema })
  .meta({ id: "SyncHeartbeatResponse" });
export type SyncHeartbeatResponse = z.infer<typeof syncHeartbeatResponseSchema>;

export const syncDeviceSchema = z.object({
  deviceId: idSchema,
  ...syncCounts,
  deleted: z.int().min(0),
  lastBatchAt: timeSchema.nullable(),
  lastHeartbeatAt: describedTime("An agent with nothing to send says so every five minutes").nullable(),
  lagRows: lagSchema.nullable().describe("As the device last reported; null when it never did"),
}).meta({ id: "SyncDevice" });
export type SyncDevice = z.infer<typeof syncDeviceSchema>;

export const syncStatusResponseSchema = z.object({
  messages: z.int().min(0),
  conversations: z.int().min(0),
  contacts: z.int().min(0),
  lastMessageAt: timeSchema.nullable(),
  lastSyncedAt: describedTime("When this account last stored a batch").nullable(),
  devices: z.array(syncDeviceSchema).optional().describe("The most recently active device comes first"),
}).meta({ id: "SyncStatus" });
export type SyncStatusResponse = z.infer<typeof syncStatusResponseSchema>;

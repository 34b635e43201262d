/** The server's tables as drizzle sees them; the SQL in migrations/ creates them with their indexes. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  doublePrecision,
  integer,
  jsonb,
  pgTable,
  real,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import type { DEVICE_STATUSES, DeviceScope } from "../../contract/devices.ts";
import type { EventName } from "../../contract/events.ts";
import type { Timings } from "../../contract/generation.ts";
import type { AdapterFault, AdapterState, AppliedAdapter } from "../../contract/models.ts";
import type { AbstentionReason, RESPONSE_ACTIONS, ResponseStatus } from "../../contract/responses.ts";
import type { DraftCandidate } from "../../contract/responses.ts";
import type { Attachment, Capture, MessageDirection, MessageType, Reaction } from "../../contract/sync.ts";
import type {
  SAMPLE_SOURCES,
  TrainingMethod,
  TrainingSettings,
  TrainingStatus,
} from "../../contract/training.ts";
import type { TrainingMetrics } from "../../contract/training_figures.ts";
import { time } from "./times.ts";

export * from "./choices_schema.ts";

/** States of a device: registered, holding a valid token, or shut out. */
export type DeviceStatus = typeof DEVICE_STATUSES[number];
/** What the person did with a drafted reply. */
export type ResponseAction = typeof RESPONSE_ACTIONS[number];
/** Where a training sample comes from. */
export type SampleSource = typeof SAMPLE_SOURCES[number];
/** Kinds of messages to ml; the target is an adapter, a glob of cache keys, or a job. */
export type MlMessageKind = "taint_adapter" | "delete_adapter" | "clear_cache" | "cancel_training";

const createdAt = () => time("created_at").notNull().default(sql`now()`);
const count = (name: string) => bigint(name, { mode: "number" }).notNull();

/** One person's data; every other row belongs to exactly one account. */
export const accounts = pgTable("accounts", {
  id: uuid("id").primaryKey(),
  createdAt: createdAt(),
  /** The number of the account's newest event; see {@linkcode events}. */
  lastEventId: count("last_event_id").default(0),
  draftCoverage: real("draft_coverage").notNull().default(1),
  automaticCoverage: real("automatic_coverage").notNull().default(1),
  learnFromSent: boolean("learn_from_sent").notNull().default(false),
});

/**
 * What happened in an account within the last five minutes or longer, numbered without gaps. Triggers write it
 * (`add_event` of 0019), in the transaction of what happened.
 */
export const events = pgTable("events", {
  accountId: uuid("account_id").notNull(),
  id: count("id"),
  event: text("event").$type<EventName>().notNull(),
  data: jsonb("data").$type<unknown>().notNull(),
  createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
});

/** A Mac or another client; `accountId` is null until the device is linked or verified. One that `joins` makes no account. */
export const devices = pgTable("devices", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id"),
  name: text("name").notNull(),
  hardwareId: text("hardware_id").notNull(),
  platform: text("platform").notNull(),
  osVersion: text("os_version").notNull(),
  scope: text("scope").$type<DeviceScope>().notNull(),
  joins: boolean("joins").notNull().default(false),
  status: text("status").$type<DeviceStatus>().notNull(),
  tokenId: uuid("token_id"),
  registeredAddress: text("registered_address").notNull(),
  linkedByDeviceId: uuid("linked_by_device_id"),
  createdAt: createdAt(),
  verifiedAt: time("verified_at"),
  deactivatedAt: time("deactivated_at"),
  lastSeenAt: time("last_seen_at"),
});

/** The pairing code of a device, as a keyed hash. */
export const deviceCodes = pgTable("device_codes", {
  deviceId: uuid("device_id").primaryKey(),
  codeHash: text("code_hash").notNull(),
  expiresAt: time("expires_at").notNull(),
  usedAt: time("used_at"),
});

/** A refresh token of a device, as a hash; see `devices/device_refresh.ts`. */
export const refreshTokens = pgTable("refresh_tokens", {
  tokenHash: text("token_hash").primaryKey(),
  deviceId: uuid("device_id").notNull(),
  parentHash: text("parent_hash"),
  replaced: boolean("replaced").notNull().default(false),
  expiresAt: time("expires_at").notNull(),
});

/** A browser that is signed in as a device; the cookie holds the secret of which this is the hash. */
export const sessions = pgTable("sessions", {
  secretHash: text("secret_hash").primaryKey(),
  deviceId: uuid("device_id").notNull(),
  createdAt: createdAt(),
  expiresAt: time("expires_at").notNull(),
});

/** A code that signs one browser in, as a hash; using it deletes the row. */
export const sessionCodes = pgTable("session_codes", {
  codeHash: text("code_hash").primaryKey(),
  deviceId: uuid("device_id").notNull(),
  expiresAt: time("expires_at").notNull(),
});

/** Refused verify and link attempts; they outlive the device, so no foreign key. */
export const verifyAttempts = pgTable("verify_attempts", {
  id: uuid("id").primaryKey(),
  deviceId: uuid("device_id").notNull(),
  address: text("address").notNull(),
  attemptedAt: time("attempted_at").notNull(),
});

/** What a device has sent so far. */
export const deviceSyncs = pgTable("device_syncs", {
  deviceId: uuid("device_id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  lastBatchAt: time("last_batch_at"),
  batches: count("batches"),
  inserted: count("inserted"),
  updated: count("updated"),
  unchanged: count("unchanged"),
  deleted: count("deleted").default(0),
  heartbeatAt: time("heartbeat_at"),
  lagRows: bigint("lag_rows", { mode: "number" }),
  capture: jsonb("capture").$type<Capture>(),
});

/** One handle-level contact; `identity` is the handle it is known by, and one person's share a `personId`. */
export const contacts = pgTable("contacts", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  identity: text("identity").notNull(),
  appleId: text("apple_id"),
  phoneNumber: text("phone_number"),
  email: text("email"),
  displayName: text("display_name"),
  avatarHash: text("avatar_hash"),
  personId: text("person_id"),
  createdAt: createdAt(),
});

/** A chat; the ingest keeps `messageCount` and `lastMessageAt` exact. */
export const conversations = pgTable("conversations", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  imessageId: text("imessage_id").notNull(),
  displayName: text("display_name"),
  isGroup: boolean("is_group").notNull(),
  participantIds: text("participant_ids").array().notNull(),
  messageCount: integer("message_count").notNull().default(0),
  lastMessageAt: time("last_message_at"),
  createdAt: createdAt(),
});

/** One message; its identity is (account, imessageGuid). `reactions` and `attachments` are null when none were sent. */
export const messages = pgTable("messages", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  conversationId: uuid("conversation_id").notNull(),
  imessageGuid: text("imessage_guid").notNull(),
  senderId: text("sender_id"),
  direction: text("direction").$type<MessageDirection>().notNull(),
  messageType: text("message_type").$type<MessageType>().notNull(),
  text: text("text"),
  sentAt: time("sent_at").notNull(),
  editedAt: time("edited_at"),
  retractedAt: time("retracted_at"),
  readAt: time("read_at"),
  deliveredAt: time("delivered_at"),
  /** True for an outgoing message that Messages could not deliver; null for all others. */
  failed: boolean("failed"),
  replyToGuid: text("reply_to_guid"),
  reactions: jsonb("reactions").$type<Reaction[]>(),
  attachments: jsonb("attachments").$type<Attachment[]>(),
  createdAt: createdAt(),
});

/** A drafted reply and what was done with it; `sourceMessageIds` are the messages in its prompt. */
export const responses = pgTable("responses", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  conversationId: uuid("conversation_id").notNull(),
  messageId: uuid("message_id").notNull(),
  deviceId: uuid("device_id").notNull(),
  status: text("status").$type<ResponseStatus>().notNull(),
  prompt: text("prompt").notNull(),
  sourceMessageIds: uuid("source_message_ids").array(),
  exampleCount: integer("example_count"),
  response: text("response"),
  confidence: real("confidence"),
  rawConfidence: real("raw_confidence"),
  suggested: boolean("suggested"),
  reason: text("reason").$type<AbstentionReason>(),
  modelVersion: text("model_version"),
  tokensUsed: integer("tokens_used"),
  timings: jsonb("timings").$type<Timings>(),
  adapter: jsonb("adapter").$type<AppliedAdapter>(),
  unsupported: text("unsupported").array(),
  candidates: jsonb("candidates").$type<DraftCandidate[]>(),
  error: text("error"),
  action: text("action").$type<ResponseAction>(),
  editedResponse: text("edited_response"),
  rejectionReason: text("rejection_reason"),
  chosenCandidate: integer("chosen_candidate"),
  /** What was sent in its place is, or was, a training sample. */
  learned: boolean("learned").notNull().default(false),
  createdAt: createdAt(),
  completedAt: time("completed_at"),
  actedAt: time("acted_at"),
  serverId: text("server_id"),
});

/** Which draft answers a request with an idempotency key. */
export const idempotencyKeys = pgTable("idempotency_keys", {
  accountId: uuid("account_id").notNull(),
  key: text("key").notNull(),
  requestHash: text("request_hash").notNull(),
  responseId: uuid("response_id").notNull(),
  createdAt: createdAt(),
});

/**
 * What the model learns from: an input, the wanted output, and the draft the person refused, if any.
 *
 * Deleting one fires the trigger `training_samples_taint`: adapters that learned from it become `tainted`.
 */
export const trainingSamples = pgTable("training_samples", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  responseId: uuid("response_id"),
  conversationId: uuid("conversation_id"),
  messageId: uuid("message_id"),
  sourceMessageIds: uuid("source_message_ids").array(),
  input: text("input").notNull(),
  output: text("output").notNull(),
  rejectedOutput: text("rejected_output"),
  quality: real("quality").notNull(),
  source: text("source").$type<SampleSource>().notNull(),
  createdAt: createdAt(),
});

/** One fine-tuning run asked for by a device; `metrics` is what ml last said of its course. */
export const trainingJobs = pgTable("training_jobs", {
  id: uuid("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  deviceId: uuid("device_id").notNull(),
  status: text("status").$type<TrainingStatus>().notNull(),
  progress: real("progress").notNull().default(0),
  error: text("error"),
  fix: text("fix"),
  baseModel: text("base_model").notNull(),
  epochs: integer("epochs").notNull(),
  learningRate: real("learning_rate").notNull(),
  method: text("method").$type<TrainingMethod>().notNull().default("sft"),
  settings: jsonb("settings").$type<TrainingSettings>().notNull().default({}),
  metrics: jsonb("metrics").$type<TrainingMetrics>(),
  sampleIds: jsonb("sample_ids").$type<readonly string[]>().notNull(),
  sampleCount: integer("sample_count").notNull(),
  createdAt: createdAt(),
  startedAt: time("started_at"),
  finishedAt: time("finished_at"),
});

/** What a finished job made, under ml's name for it; at most one of an account is `promoted`. */
export const adapters = pgTable("adapters", {
  id: text("id").primaryKey(),
  accountId: uuid("account_id").notNull(),
  jobId: uuid("job_id").notNull(),
  baseModel: text("base_model").notNull(),
  state: text("state").$type<AdapterState>().notNull(),
  offered: boolean("offered").notNull(),
  offerReason: text("offer_reason"),
  baseLoss: doublePrecision("base_loss"),
  examplesLoss: doublePrecision("examples_loss"),
  adapterLoss: doublePrecision("adapter_loss"),
  heldOutSamples: integer("held_out_samples").notNull(),
  trainSamples: integer("train_samples").notNull(),
  fault: text("fault").$type<AdapterFault>(),
  createdAt: createdAt(),
  promotedAt: time("promoted_at", { precision: 6 }),
});

/** A background job of the servers that share the database; times are epoch milliseconds, `group` is empty for none. */
export const jobs = pgTable("jobs", {
  queue: text("queue").notNull(),
  id: text("id").notNull(),
  task: text("task").notNull(),
  group: text("job_group").notNull(),
  state: text("state").notNull(),
  dueAt: doublePrecision("due_at").notNull(),
  sequence: doublePrecision("sequence").notNull(),
  enqueuedAt: doublePrecision("enqueued_at").notNull(),
  startedAt: doublePrecision("started_at"),
  finishedAt: doublePrecision("finished_at"),
  run: text("run"),
  record: text("record").notNull(),
  payload: text("payload"),
  result: text("result"),
});

/** What all servers of the database know and nobody else. */
export const serverSecrets = pgTable("server_secrets", {
  name: text("name").primaryKey(),
  value: text("value").notNull(),
  createdAt: createdAt(),
});

/** Messages not yet sent to ml: a row is deleted once ml has taken it, and stays with the reason when ml refuses it. */
export const mlOutbox = pgTable("ml_outbox", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  kind: text("kind").$type<MlMessageKind>().notNull(),
  target: text("target").notNull(),
  createdAt: createdAt(),
  tries: integer("tries").notNull().default(0),
  dueAt: time("due_at"),
  refused: text("refused"),
});

/** Rows as the stores return them; times are `Date`s with millisecond precision. */
export type Device = typeof devices.$inferSelect;
export type DeviceSync = typeof deviceSyncs.$inferSelect;
export type Contact = typeof contacts.$inferSelect;
export type Conversation = typeof conversations.$inferSelect;
export type Message = typeof messages.$inferSelect;
export type DraftResponse = typeof responses.$inferSelect;
export type TrainingSample = typeof trainingSamples.$inferSelect;
/** Without its sample ids, of which there may be many; see `sampleIds` of the store. */
export type TrainingJob = Omit<typeof trainingJobs.$inferSelect, "sampleIds">;
export type Adapter = typeof adapters.$inferSelect;
export type MlMessage = typeof mlOutbox.$inferSelect;

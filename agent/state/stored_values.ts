/** The values that agent.db stores as JSON: the schema of each, by which it is checked when it is read. */
import { z } from "zod";

const rowId = z.int().nonnegative();
const count = z.int().nonnegative();

/** Every message up to `database.markRowId` was acknowledged by the server; see `sync_state.ts`. */
export const cursorSchema = z.object({
  syncTarget: z.string(),
  /** Messages from before this Unix time are left out; null for none. */
  sinceMs: z.number().nullable(),
  /** Identifiers of files may exceed what is exact as an integer. */
  database: z.object({
    device: z.number(),
    inode: z.number().nullable(),
    sequence: count,
    markRowId: rowId,
    markGuid: z.string().nullable(),
  }),
  /** All deletions up to this one were reported to the server; see `DeletionFinder`. */
  deletedId: count,
  /** Whether all rows up to the mark have an outcome; false where a version before has read some. */
  hasOutcomes: z.boolean().default(false),
});
export type SyncCursor = z.infer<typeof cursorSchema>;

/** What a completed sync did. */
export const syncSummarySchema = z.object({
  endedAt: z.string(),
  durationMs: count,
  contacts: count,
  inserted: count,
  updated: count,
  unchanged: count,
  deleted: count,
});
export type SyncSummary = z.infer<typeof syncSummarySchema>;

/** A failed sync; its message is the sentence that the person read. */
export const syncFailureSchema = z.object({ at: z.string(), message: z.string() });

/** An item that the server refused. It names neither text nor person. */
export const refusedItemSchema = z.object({
  kind: z.enum(["message", "contact"]),
  /** ROWID of the message; 0 for a contact. */
  rowId,
  /** Digest of the guid, or of the contact's identifiers. */
  digest: z.string(),
  /** Error code of the contract. */
  code: z.string(),
  /** Path of the fault in the request. */
  path: z.string(),
});
export type RefusedItem = z.infer<typeof refusedItemSchema>;

/**
 * What happened to a text that was to be sent. `delivered`: it reached the other side. `sent`: it left this Mac.
 * `failed`: it was certainly not sent. `unknown`: only Messages itself can show it.
 */
const sendOutcomeSchema = z.enum(["delivered", "sent", "failed", "unknown"]);
export type SendOutcomeKind = z.infer<typeof sendOutcomeSchema>;

/** One text that was to be sent. It names no one and holds no words. */
export const sendEntrySchema = z.object({
  responseId: z.string(),
  /** Chats in which the sent message may appear. */
  chatIds: z.array(z.int()).readonly(),
  /** Digest of the words, by which the message is recognised. */
  textDigest: z.string(),
  /** The newest row of chat.db before it was sent. */
  afterRowId: rowId,
  startedAt: z.string(),
  /** null while it is being sent, and after a crash. */
  outcome: sendOutcomeSchema.nullable(),
});
export type SendEntry = z.infer<typeof sendEntrySchema>;

/** A suggestion that the person was shown. Ids only: the words themselves stay on the server. */
export const shownSuggestionSchema = z.object({
  conversationId: z.string(),
  responseId: z.string(),
  /** Guid of the answered message in chat.db. */
  messageGuid: z.string(),
});
export type ShownSuggestion = z.infer<typeof shownSuggestionSchema>;

export const SUGGESTION_MODES = ["off", "on_demand", "automatic"] as const;
export type SuggestionMode = typeof SUGGESTION_MODES[number];
/** A mode that this version does not know counts as off. */
export const suggestionModeSchema = z.enum(SUGGESTION_MODES).catch("off");

/** Digests by digests: they compare what was sent, and name nobody. */
const digestsSchema = z.record(z.string(), z.string());

/** The single values of agent.db, each with its schema. */
const documents = {
  cursor: cursorSchema,
  last_sync: syncSummarySchema,
  last_failure: syncFailureSchema,
  /** The account that has the contacts. */
  contacts_target: z.string(),
  /** The name of each group as it was sent. */
  group_names: digestsSchema,
  /** The conversation under which the rows of each chat were sent. */
  conversations: digestsSchema,
};

/** What agent.db holds many of: tables of values, each by its id. */
const tables = {
  /** From the digest of a contact's identifiers to the digest of the complete contact. */
  contact_hashes: z.string(),
  refused_items: refusedItemSchema,
  sent_replies: sendEntrySchema,
  shown_suggestions: shownSuggestionSchema,
  conversation_policies: suggestionModeSchema,
  /** What could not be read, and the file that it is kept in. */
  lost_state: z.string(),
};

type Outputs<Schemas extends Record<string, z.ZodType>> = { [Id in keyof Schemas]: z.infer<Schemas[Id]> };
type Schemas<Outputs> = { readonly [Id in keyof Outputs]: z.ZodType<Outputs[Id]> };
export type DocumentValues = Outputs<typeof documents>;
export type TableValues = Outputs<typeof tables>;
export const DOCUMENTS: Schemas<DocumentValues> = documents;
export const VALUE_TABLES: Schemas<TableValues> = tables;

/** The wire of `GET /api/search`: messages that have certain words. */
import * as z from "zod";
import { pageFields, pageQuery } from "./paging.ts";
import { describedTime, idSchema, textSchema } from "./scalars.ts";
import { messageDirectionSchema } from "./sync.ts";

/** Longest question, in UTF-16 units. */
export const MAX_SEARCH_LENGTH = 200;
/** Of what is in more messages, the newest of them are ranked and shown. */
export const MAX_SEARCH_RESULTS = 1000;

export const searchQuery = pageQuery.omit({ cursor: true }).extend({
  q: textSchema(MAX_SEARCH_LENGTH, { minLength: 1 }).regex(/\S/, "must have more than spaces").describe(
    "Words that a message must all have, in upper or lower case, each anywhere in its text; every other character stands for itself",
  ),
  conversationId: idSchema.optional().describe("Only messages of this conversation"),
});
export type SearchQuery = z.infer<typeof searchQuery>;

export const searchResultSchema = z.object({
  messageId: idSchema,
  conversationId: idSchema,
  senderId: z.string().nullable(),
  direction: messageDirectionSchema,
  sentAt: describedTime("When the message was sent"),
  snippet: z.string().describe("The text around the first match; an ellipsis stands for what was cut off"),
  match: z.object({ start: z.int().min(0), end: z.int().min(0) }).nullable()
    .describe("Where in the snippet the first match is, in UTF-16 units; null where only the search knows"),
}).meta({ id: "SearchResult" });
export type SearchResult = z.infer<typeof searchResultSchema>;

const { nextCursor: _, ...numberedPage } = pageFields;

export const searchResultListSchema = z.object({
  results: z.array(searchResultSchema),
  ...numberedPage,
  total: pageFields.total.max(MAX_SEARCH_RESULTS)
    .describe(`How many there are; of more than ${MAX_SEARCH_RESULTS}, only the newest are looked at`),
  searchedNewest: z.int().min(1).optional().describe(
    "Set when so many of the newest messages were looked through and older ones were not: all have too much in common with the words",
  ),
}).meta({
  id: "SearchResultList",
  description: "The best first, the newest first of those that match equally",
});
export type SearchResultList = z.infer<typeof searchResultListSchema>;

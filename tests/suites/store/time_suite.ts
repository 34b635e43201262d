/** Tests that every time of the wire's range comes back as it was sent; PostgreSQL itself is the oracle. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_TIME_MS, MIN_TIME_MS, timeSchema } from "../../../contract/scalars.ts";
import type { StoreTests, TestDatabase } from "../../support/postgres/postgres.ts";
import { batch, message, paired } from "../../support/server/store_rows.ts";
import { decodeCursor, encodeCursor } from "../../../server/store/paging.ts";

const MINUTE_MS = 60_000;
const MAX_OFFSET_MINUTES = 23 * 60 + 59;
const TIMES = 400;

/** An instant as a clock that is `offset` minutes ahead of UTC writes it, in the four-digit years of that clock. */
function written(instant: number, offset: number): string {
  const clock = new Date(instant + offset * MINUTE_MS).toISOString().slice(0, -1);
  const [hours, minutes] = [Math.trunc(Math.abs(offset) / 60), Math.abs(offset) % 60];
  const digits = (value: number) => `${value}`.padStart(2, "0");
  return `${clock}${offset < 0 ? "-" : "+"}${digits(hours)}:${digits(minutes)}`;
}

const instants = fc.oneof(
  fc.integer({ min: MIN_TIME_MS, max: MAX_TIME_MS }),
  // The years that parsers guess at, and both ends.
  fc.integer({ min: MIN_TIME_MS, max: Date.parse("0100-01-01T00:00:00Z") }),
  fc.integer({ min: 0, max: 3 * 24 * 60 * MINUTE_MS }).map((after) => MIN_TIME_MS + after),
  fc.integer({ min: 0, max: 3 * 24 * 60 * MINUTE_MS }).map((before) => MAX_TIME_MS - before),
);
const times = fc.tuple(instants, fc.integer({ min: -MAX_OFFSET_MINUTES, max: MAX_OFFSET_MINUTES }))
  .map(([instant, offset]) => written(instant, offset))
  // PostgreSQL reads no year 0 of a clock behind UTC; the test of both ends has one.
  .filter((text) => /^(?!0000)\d{4}-/.test(text));

/** What PostgreSQL takes these texts for, in milliseconds since 1970; by itself it reads no offset over 15:59. */
async function instantsOf({ database }: TestDatabase, texts: readonly string[]): Promise<number[]> {
  const rows = await database.sql<{ ms: string }>`
    select extract(epoch from (left(t.text, -6) || 'Z')::timestamptz - right(t.text, 6)::interval) * 1000 as ms
    from unnest(${[...texts]}::text[]) with ordinality as t(text, place) order by t.place`;
  return rows.map(({ ms }) => Number(ms));
}

export const timeTests: StoreTests = {
  "each time of the range and each offset is stored and read as PostgreSQL understands it": async (test) => {
    const { stores } = test;
    const origin = await paired(stores);
    const texts = fc.sample(times, TIMES);
    for (const year of Array.from({ length: 99 }, (_, index) => index + 1)) {
      texts.push(`${`${year}`.padStart(4, "0")}-01-01T00:00:00+00:00`);
    }
    for (const text of texts) assert.equal(timeSchema.safeParse(text).success, true, text);
    const expected = await instantsOf(test, texts);
    const sent = texts.map((text, index) =>
      message(`${index}`, {
        sentAt: text,
        editedAt: text,
        retractedAt: text,
        readAt: text,
        deliveredAt: text,
      })
    );
    const { conversationId } = await stores.ingest.ingestMessages(origin, batch(sent));
    const read = await stores.conversations.messages(origin.accountId, {
      conversationId,
      page: 1,
      pageSize: texts.length,
    });
    const byGuid = new Map(read?.rows.map((row) => [row.imessageGuid, row]));
    for (const [index, text] of texts.entries()) {
      const { sentAt, editedAt, retractedAt, readAt, deliveredAt } = byGuid.get(`${index}`) ??
        assert.fail(text);
      for (const at of [sentAt, editedAt, retractedAt, readAt, deliveredAt]) {
        assert.equal(at?.getTime(), expected[index], text);
        assert.equal(timeSchema.safeParse(at?.toISOString()).success, true, text);
      }
      const position = { at: sentAt, id: origin.deviceId };
      assert.deepEqual(decodeCursor(encodeCursor(position)), position);
    }
  },

  "conversations at both ends of time are listed, page by page, and their history is read": async (
    { stores },
  ) => {
    const origin = await paired(stores);
    const ends = [
      "0000-12-31T23:59:00-00:01",
      "0001-01-02T00:00:00+23:59",
      "0013-01-01T00:00:00Z",
      "9999-12-31T23:59:59Z",
      "9999-12-31T23:59:59.999Z",
    ];
    for (const sentAt of ends) {
      const sent = batch([message(sentAt, { sentAt })], { conversationImessageId: sentAt });
      await stores.ingest.ingestMessages(origin, sent);
    }
    const found: string[] = [];
    let after;
    do {
      const page = await stores.conversations.list(origin.accountId, { page: 1, pageSize: 1, after });
      found.push(...page.rows.map(({ imessageId }) => imessageId));
      after = page.next ?? undefined;
    } while (after !== undefined);
    assert.deepEqual(found, ends.toReversed());
    const { lastMessageAt } = await stores.ingest.status(origin.accountId);
    assert.equal(lastMessageAt?.toISOString(), "9999-12-31T23:59:59.999Z");
  },

  "a time outside the wire's range, stored by other means, is read as the range's end": async (
    { database, stores },
  ) => {
    const origin = await paired(stores);
    const { conversationId } = await stores.ingest.ingestMessages(origin, batch([message("outside")]));
    const outside = { infinity: MAX_TIME_MS, "-infinity": MIN_TIME_MS, "0044-03-15 BC": MIN_TIME_MS };
    for (const [text, read] of Object.entries({ ...outside, "20000-01-01": MAX_TIME_MS })) {
      await database
        .sql`update conversations set created_at = ${text}::text::timestamptz where id = ${conversationId}`;
      const [row] = (await stores.conversations.list(origin.accountId, { page: 1, pageSize: 1 })).rows;
      assert.equal(row?.createdAt.getTime(), read, text);
    }
  },
};

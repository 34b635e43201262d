/** Tests contacts: stored by handle, replaced when they change, found in any case of letters. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { paired } from "../../support/server/store_rows.ts";

const PAGE = { page: 1, pageSize: 200 };
const john = {
  appleId: "john@icloud.com",
  phoneNumber: "+1234567890",
  email: "john@example.com",
  displayName: "John Doe",
  avatarHash: null,
};

export const contactTests: StoreTests = {
  "contacts are added, replaced by identity, and left alone when nothing changed": async (
    { stores: { contacts }, stores },
  ) => {
    const { accountId } = await paired(stores);
    const jane = { phoneNumber: "+4930123", displayName: "Jane" };
    assert.deepEqual(await contacts.upsert(accountId, [john, jane]), {
      inserted: 2,
      updated: 0,
      unchanged: 0,
    });
    assert.deepEqual(await contacts.upsert(accountId, [john, jane]), {
      inserted: 0,
      updated: 0,
      unchanged: 2,
    });
    const renamed = { ...john, appleId: "John@iCloud.com", displayName: "Johnny" };
    assert.deepEqual(await contacts.upsert(accountId, [renamed, jane]), {
      inserted: 0,
      updated: 1,
      unchanged: 1,
    });
    const { rows, total } = await contacts.list(accountId, PAGE);
    assert.equal(total, 2);
    assert.deepEqual(rows.map((row) => row.displayName).sort(), ["Jane", "Johnny"]);
  },

  "contacts are deleted by the beginnings of their digests, in their own account only": async (
    { stores },
  ) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    const jane = { phoneNumber: "+4930123", displayName: "Jane" };
    for (const { accountId } of [mine, other]) await stores.contacts.upsert(accountId, [john, jane]);
    const digest = createHash("sha256").update(JSON.stringify([null, "+4930123", null])).digest("hex");
    assert.equal(await stores.contacts.delete(mine.accountId, [digest.slice(0, 32), "0".repeat(32)]), 1);
    assert.equal(await stores.contacts.delete(mine.accountId, []), 0);
    const left = async (accountId: string) =>
      (await stores.contacts.list(accountId, PAGE)).rows.map(({ displayName }) => displayName).sort();
    assert.deepEqual(await left(mine.accountId), ["John Doe"]);
    assert.deepEqual(await left(other.accountId), ["Jane", "John Doe"]);
  },

  "the last of twin contacts wins, and the counts still add up": async ({ stores }) => {
    const { accountId } = await paired(stores);
    const twins = [{ email: "a@b.c", displayName: "first" }, { email: "A@b.c", displayName: "last" }];
    assert.deepEqual(await stores.contacts.upsert(accountId, twins), {
      inserted: 1,
      updated: 0,
      unchanged: 1,
    });
    const [contact] = (await stores.contacts.list(accountId, PAGE)).rows;
    assert.equal(contact?.displayName, "last");
  },

  "a contact is found by any of its handles, in any case, in its own account only": async ({ stores }) => {
    const [mine, other] = [await paired(stores), await paired(stores)];
    await stores.contacts.upsert(mine.accountId, [john]);
    const find = async (accountId: string, handles: string[]) =>
      (await stores.contacts.findByHandles(accountId, handles)).map((contact) => contact.displayName);
    for (const handle of ["john@icloud.com", "JOHN@EXAMPLE.COM", "+1234567890"]) {
      assert.deepEqual(await find(mine.accountId, [handle, "nobody", 'a,b"{}']), ["John Doe"]);
      assert.deepEqual(await find(other.accountId, [handle]), []);
    }
    assert.deepEqual(await find(mine.accountId, []), []);
    assert.deepEqual(await stores.contacts.upsert(other.accountId, [john]), {
      inserted: 1,
      updated: 0,
      unchanged: 0,
    });
  },

  "the same contacts sent many times at once, in any order, are stored once": async ({ stores }) => {
    const { accountId } = await paired(stores);
    const people = Array.from({ length: 100 }, (_, n) => ({ email: `person-${n}@example.com` }));
    const orders = Array.from({ length: 8 }, (_, n) => n % 2 ? people : people.toReversed());
    const results = await Promise.all(orders.map((order) => stores.contacts.upsert(accountId, order)));
    assert.equal(results.reduce((sum, { inserted }) => sum + inserted, 0), 100);
    assert.equal((await stores.contacts.list(accountId, PAGE)).total, 100);
  },
};

/** Tests how devices register, verify and are deactivated. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { openDatabase } from "../../../server/store/database.ts";
import { MAX_PENDING_DEVICES } from "../../../server/store/devices/device_registration.ts";
import type { VerifyAttempt } from "../../../server/store/devices/device_verification.ts";
import { createStores } from "../../../server/store/store.ts";
import { MAX_REFUSED_ATTEMPTS } from "../../../server/store/devices/verify_limit.ts";
import {
  minutesOn,
  newAddress,
  paired,
  registered,
  registration,
  START,
} from "../../support/server/store_rows.ts";

function attempt(deviceId: string, changes: Partial<VerifyAttempt> = {}): VerifyAttempt {
  return {
    deviceId,
    codeHash: "a wrong code's hash",
    address: newAddress(),
    tokenId: crypto.randomUUID(),
    pairing: "open",
    setupCode: "absent",
    isNetworked: false,
    isLocal: true,
    now: START,
    ...changes,
  };
}

function countOf<Item>(items: readonly Item[]): Map<Item, number> {
  const counts = new Map<Item, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}

export const deviceTests: StoreTests = {
  "a device that verifies itself gets a new account and is found by its token": async ({ stores }) => {
    const first = await paired(stores);
    const second = await paired(stores);
    assert.notEqual(first.accountId, second.accountId);
    const device = await stores.devices.findByToken(first.tokenId);
    assert.equal(device?.id, first.deviceId);
    assert.equal(device?.accountId, first.accountId);
    assert.equal(device?.status, "active");
    assert.deepEqual(device?.verifiedAt, START);
    assert.equal(await stores.devices.isClaimed(), true);
    assert.equal(await stores.devices.findByToken(crypto.randomUUID()), undefined);
  },

  "a code works once, however many try it at the same moment": async ({ stores }) => {
    const { device, codeHash } = await registered(stores);
    const tries = Array.from({ length: 20 }, () => stores.devices.verify(attempt(device.id, { codeHash })));
    const counts = countOf((await Promise.all(tries)).map((result) => result.outcome));
    assert.deepEqual(
      counts,
      new Map<string, number>([["verified", 1], ["used", MAX_REFUSED_ATTEMPTS], ["rate_limited", 14]]),
    );
  },

  "refusals say why": async ({ stores }) => {
    const { devices } = stores;
    const { device, codeHash } = await registered(stores);
    const outcome = async (tried: VerifyAttempt) => (await devices.verify(tried)).outcome;
    assert.equal(await outcome(attempt(crypto.randomUUID())), "unknown_device");
    assert.equal(await outcome(attempt(device.id)), "wrong_code");
    assert.equal(await outcome(attempt(device.id, { codeHash, now: minutesOn(10) })), "expired");
    const other = await registered(stores);
    assert.equal(
      await outcome(attempt(other.device.id, { codeHash })),
      "wrong_code",
      "another device's code",
    );
    const owner = await paired(stores);
    const linked = await registered(stores);
    await devices.link({ ...owner, address: newAddress(), now: START, codeHash: linked.codeHash });
    await devices.deactivate(owner.accountId, linked.device.id);
    assert.equal(await outcome(attempt(linked.device.id, { codeHash: linked.codeHash })), "deactivated");
  },

  "after five refused attempts on a device even its right code has to wait": async ({ stores }) => {
    const { device, codeHash } = await registered(stores, { expiresAt: minutesOn(60) });
    for (let minute = 0; minute < MAX_REFUSED_ATTEMPTS; minute++) {
      const refused = await stores.devices.verify(attempt(device.id, { now: minutesOn(minute) }));
      assert.equal(refused.outcome, "wrong_code");
    }
    const limited = await stores.devices.verify(attempt(device.id, { codeHash, now: minutesOn(14) }));
    assert.deepEqual(limited, { outcome: "rate_limited", retryAt: minutesOn(15) });
    const allowed = await stores.devices.verify(attempt(device.id, { codeHash, now: minutesOn(15) }));
    assert.equal(allowed.outcome, "verified");
  },

  "refused attempts count for an address across devices, and outlive a restart": async (
    { stores, address },
  ) => {
    const from = newAddress();
    for (let n = 0; n < MAX_REFUSED_ATTEMPTS; n++) {
      await stores.devices.verify(attempt(crypto.randomUUID(), { address: from }));
    }
    await using reopened = openDatabase(address);
    const { device, codeHash } = await registered(stores);
    const { devices } = createStores(reopened);
    const limited = await devices.verify(attempt(device.id, { codeHash, address: from }));
    assert.deepEqual(limited, { outcome: "rate_limited", retryAt: minutesOn(15) });
    assert.equal(
      (await devices.verify(attempt(device.id, { codeHash }))).outcome,
      "verified",
      "another address",
    );
  },

  "attempts at the same moment share the limit of their address": async ({ stores }) => {
    const address = newAddress();
    const tries = Array.from(
      { length: 25 },
      () => stores.devices.verify(attempt(crypto.randomUUID(), { address })),
    );
    const counts = countOf((await Promise.all(tries)).map((result) => result.outcome));
    assert.deepEqual(
      counts,
      new Map<string, number>([["unknown_device", MAX_REFUSED_ATTEMPTS], ["rate_limited", 20]]),
    );
  },

  "attempts that succeed do not count": async ({ stores }) => {
    const address = newAddress();
    for (let n = 0; n < MAX_REFUSED_ATTEMPTS + 2; n++) {
      const { device, codeHash } = await registered(stores);
      const result = await stores.devices.verify(attempt(device.id, { codeHash, address }));
      assert.equal(result.outcome, "verified");
    }
  },

  "an address has at most twenty unverified devices, until their codes expire": async ({ stores }) => {
    const address = newAddress();
    const register = (now: Date) => stores.devices.register(registration({ address, now }));
    const results = await Promise.all(Array.from({ length: MAX_PENDING_DEVICES + 5 }, () => register(START)));
    const counts = countOf(results.map((result) => result.outcome));
    assert.deepEqual(counts, new Map<string, number>([["registered", MAX_PENDING_DEVICES], ["too_many", 5]]));
    assert.deepEqual(await register(minutesOn(9)), { outcome: "too_many", retryAt: minutesOn(10) });
    assert.equal((await stores.devices.register(registration())).outcome, "registered", "another address");
    assert.equal((await register(minutesOn(10))).outcome, "registered");
  },

  "a code that a pending device shows is not given to another": async ({ stores }) => {
    const { codeHash } = await registered(stores);
    const again = (now: Date) => stores.devices.register(registration({ codeHash, now }));
    assert.equal((await again(minutesOn(9))).outcome, "code_taken");
    assert.equal((await again(minutesOn(10))).outcome, "registered");
  },

  "devices that never verified themselves are deleted a day after their code expired": async ({ stores }) => {
    const { device, codeHash } = await registered(stores);
    const later = async (minutes: number) => {
      await registered(stores, { now: minutesOn(minutes) });
      return (await stores.devices.verify(attempt(device.id, { codeHash, now: minutesOn(minutes) }))).outcome;
    };
    assert.equal(await later(24 * 60), "expired");
    assert.equal(await later(24 * 60 + 11), "unknown_device");
  },

  "only an account's own devices are found, listed and deactivated": async ({ stores }) => {
    const { devices } = stores;
    const [mine, other] = [await paired(stores), await paired(stores)];
    assert.equal((await devices.find(mine.accountId, mine.deviceId))?.id, mine.deviceId);
    assert.equal(await devices.find(other.accountId, mine.deviceId), undefined);
    assert.equal(await devices.deactivate(other.accountId, mine.deviceId), undefined);
    assert.equal((await devices.findByToken(mine.tokenId))?.status, "active");
    const page = await devices.list(mine.accountId, { page: 1, pageSize: 20 });
    assert.deepEqual([page.total, page.rows.map(({ id }) => id)], [1, [mine.deviceId]]);
    const all = await devices.listAll({ page: 1, pageSize: 1 });
    assert.equal(all.rows.length, 1);
    assert(all.total >= 2);
  },

  "a deactivated device stays found by its token, and stays as it was when deactivated again": async (
    { stores },
  ) => {
    const { accountId, deviceId, tokenId } = await paired(stores);
    const first = await stores.devices.deactivate(accountId, deviceId);
    assert.equal(first?.status, "deactivated");
    assert(first?.deactivatedAt instanceof Date);
    assert.deepEqual(await stores.devices.deactivate(accountId, deviceId), first);
    assert.deepEqual(await stores.devices.findByToken(tokenId), first);
  },

  "a device's last sight is kept to the minute": async ({ stores }) => {
    const { deviceId, tokenId } = await paired(stores);
    const seenAfter = async (now: Date) => {
      await stores.devices.touch(deviceId, now);
      return (await stores.devices.findByToken(tokenId))?.lastSeenAt;
    };
    assert.deepEqual(await seenAfter(minutesOn(1)), START);
    assert.deepEqual(await seenAfter(minutesOn(2)), minutesOn(2));
  },
};

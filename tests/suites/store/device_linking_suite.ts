/** Tests claiming a server, and linking and approving devices. */
import assert from "node:assert/strict";
import type { StoreTests } from "../../support/postgres/postgres.ts";
import { newAddress, paired, registered, START } from "../../support/server/store_rows.ts";
import type { VerifyResult } from "../../../server/store/devices/device_verification.ts";
import type { Stores } from "../../../server/store/store.ts";
import { MAX_REFUSED_ATTEMPTS } from "../../../server/store/devices/verify_limit.ts";

/** Verifies a device on a server that, once claimed, wants devices linked. */
function verify(
  stores: Stores,
  { device, codeHash }: Awaited<ReturnType<typeof registered>>,
): Promise<VerifyResult> {
  return stores.devices.verify({
    deviceId: device.id,
    codeHash,
    address: device.registeredAddress,
    tokenId: crypto.randomUUID(),
    pairing: "approve",
    setupCode: "absent",
    isNetworked: false,
    isLocal: true,
    now: START,
  });
}

export const linkingTests: StoreTests = {
  "a device that waits for its link may ask as often as it likes, and then joins the account": async (
    { stores },
  ) => {
    const owner = await paired(stores);
    const waiting = await registered(stores);
    for (let n = 0; n < MAX_REFUSED_ATTEMPTS + 2; n++) {
      assert.equal((await verify(stores, waiting)).outcome, "not_linked");
    }
    const link = { ...owner, codeHash: waiting.codeHash, address: newAddress(), now: START };
    const linked = await stores.devices.link(link);
    assert(linked.outcome === "linked" && linked.device.linkedByDeviceId === owner.deviceId);
    assert.equal((await stores.devices.link(link)).outcome, "linked", "linking again");
    const verified = await verify(stores, waiting);
    assert(verified.outcome === "verified" && verified.device.accountId === owner.accountId);
    assert.equal((await stores.devices.list(owner.accountId, { page: 1, pageSize: 20 })).total, 2);
    assert.equal((await stores.devices.link(link)).outcome, "not_found", "a code that is used up");
  },

  "a device that one account has linked cannot be drawn into another": async ({ stores }) => {
    const [first, second] = [await paired(stores), await paired(stores)];
    const { codeHash, device } = await registered(stores);
    const link = { codeHash, now: START };
    assert.equal((await stores.devices.link({ ...first, ...link, address: newAddress() })).outcome, "linked");
    assert.equal(
      (await stores.devices.link({ ...second, ...link, address: newAddress() })).outcome,
      "not_found",
    );
    assert.equal((await stores.devices.find(first.accountId, device.id))?.id, device.id);
  },

  "guessing codes to link is limited like guessing codes to verify": async ({ stores }) => {
    const owner = await paired(stores);
    const { codeHash } = await registered(stores);
    const link = (hash: string) =>
      stores.devices.link({ ...owner, codeHash: hash, address: newAddress(), now: START });
    for (let n = 0; n < MAX_REFUSED_ATTEMPTS; n++) assert.equal((await link("a guess")).outcome, "not_found");
    assert.equal((await link(codeHash)).outcome, "rate_limited");
  },
};

/** Tests that need a database to themselves. */
export const claimTests: StoreTests = {
  "of devices that verify at the same moment one claims the server": async (own) => {
    assert.equal(await own.stores.devices.isClaimed(), false);
    const waiting = await Promise.all(Array.from({ length: 6 }, () => registered(own.stores)));
    const results = await Promise.all(waiting.map((one) => verify(own.stores, one)));
    const outcomes = results.map((result) => result.outcome).sort();
    assert.deepEqual(outcomes, [...Array(5).fill("not_linked"), "verified"]);
    assert.equal(await own.stores.devices.isClaimed(), true);
  },

  "the operator approves into the account that claimed the server first": async (own) => {
    const { devices } = own.stores;
    const waiting = await registered(own.stores);
    const { codeHash } = waiting;
    assert.deepEqual(await devices.approve({ codeHash, now: START }), { outcome: "unclaimed" });
    const owner = await paired(own.stores);
    await paired(own.stores);
    assert.deepEqual(await devices.approve({ codeHash: "no code", now: START }), { outcome: "not_found" });
    assert.equal((await verify(own.stores, waiting)).outcome, "not_linked");
    const approved = await devices.approve({ codeHash, now: START });
    assert(approved.outcome === "linked" && approved.device.accountId === owner.accountId);
    assert.equal((await verify(own.stores, waiting)).outcome, "verified");
  },
};

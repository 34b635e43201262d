/** Tests that a server stands the database's stops, kills and cut connections while clients write. */
import assert from "node:assert/strict";
import { abuseDatabase, DATABASE_FAULTS, faultsOf } from "./support/abuse/database.ts";

const ROUNDS = 2;

Deno.test(`4 clients sync during ${ROUNDS} rounds of ${DATABASE_FAULTS.join(", ")}: nothing acknowledged is lost, the server stays`, async () => {
  const abuse = await abuseDatabase({ rounds: ROUNDS });
  assert.deepEqual(faultsOf(abuse), []);
  assert.equal(abuse.unacknowledged, 0);
  assert.ok(abuse.acknowledged > 0);
});

// Tests of the client for drafts of a program that stays.
import assert from "node:assert/strict";
import { SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { pairedDrafts } from "./background_tasks.ts";

Deno.test("the token store is asked once for each pairing, and a device that is not paired gets an error each time", async () => {
  await using mac = await SuggestingMac.create();
  let asked = 0;
  const services = mac.services();
  const { pairing } = services;
  const counting = {
    ...services,
    pairing: {
      ...pairing,
      tokenStore: (hardwareId: string) => {
        asked++;
        return pairing.tokenStore(hardwareId);
      },
    },
  };
  const client = pairedDrafts(counting);
  for (let time = 0; time < 3; time++) await (await client()).conversations({ pageSize: 1 });
  assert.equal(asked, 1);
  assert.equal((await mac.run("pair")).code, 0);
  await (await client()).conversations({ pageSize: 1 });
  assert.equal(asked, 2, "the token of a renewed pairing is another one");
  await pairing.records.remove();
  for (let time = 0; time < 2; time++) await assert.rejects(client(), /not paired/);
});

/**
 * Two real servers on one database: drafts are queued at one, which is killed with kill -9 while they are made.
 *
 * `deno run -A bench/server/two_servers_bench.ts [drafts] [kills]`, 200 and 3 by default.
 */
import assert from "node:assert/strict";
import { writeLine } from "../../lib/log.ts";
import { killWhileDrafting, startTwoServers } from "../../tests/support/server/two_servers.ts";

const [drafts = 200, kills = 3] = Deno.args.map(Number);
{
  await using servers = await startTwoServers();
  const outcome = await killWhileDrafting(servers, { drafts, kills });
  writeLine(JSON.stringify(outcome, null, 2));
  assert.deepEqual(outcome.statuses, { completed: drafts });
  assert.equal(outcome.endedTwice, 0);
}
Deno.exit(0);

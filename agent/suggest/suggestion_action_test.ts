// Tests of acting on a suggestion while the agent is killed at each step: reported once, sent at most once.
import assert from "node:assert/strict";
import { join } from "node:path";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { trainingSampleListSchema } from "../../contract/training.ts";
import { killWhileActing, type Step } from "../../tests/support/mac/acting_process.ts";
import { fakeOsascript, osascriptCalls } from "../../tests/support/mac/fake_osascript.ts";
import { ADA, SuggestingMac } from "../../tests/support/mac/suggesting_mac.ts";
import { requirePairing } from "../pairing/pairing.ts";
import { lastShown } from "./shown_suggestions.ts";

interface AfterCrash {
  /** How often Messages was asked in the end, the second try included. */
  asked: number;
  /** Messages of the owner's in the chat in the end. */
  sent: number;
  says: RegExp;
}

const DELIVERED = /^The reply was delivered\.$/m;
const NOT_KNOWN = /^This draft was given to Messages before, and whether it was sent is not known: /;

const AFTER_CRASH: Record<Step, AfterCrash> = {
  before_report: { asked: 1, sent: 1, says: DELIVERED },
  after_report: { asked: 1, sent: 1, says: DELIVERED },
  intended: { asked: 0, sent: 0, says: NOT_KNOWN },
  submitting: { asked: 1, sent: 0, says: NOT_KNOWN },
  submitted: { asked: 1, sent: 1, says: /^This draft was sent and delivered already$/m },
};

/** What the server knows of the draft: its action, and how many training samples it made. */
async function reported(mac: SuggestingMac, token: string): Promise<unknown> {
  const { responses } = await (await mac.client()).drafts({ pageSize: 5 });
  const { samples } = await mac.served.app.expect(SERVER_PATHS.trainingSamples, {
    token,
    schema: trainingSampleListSchema,
  });
  return [responses.map(({ action }) => action), samples.length];
}

for (const [step, { asked, sent, says }] of Object.entries(AFTER_CRASH) as [Step, AfterCrash][]) {
  Deno.test(`an agent killed at the step "${step}" has reported the action once after the next try, and sent it at most once`, async () => {
    await using mac = await SuggestingMac.create();
    mac.receive(ADA, "Dinner?");
    await mac.sync();
    await mac.run("suggest");
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const services = mac.services();
    const { token } = await requirePairing(services.pairing);
    const shown = lastShown(services.suggestions, null);
    assert.ok(shown);
    const chatDb = join(mac.dir, "chat.db");
    const sending = step === "submitting" ? "hang" : "deliver";
    const osascript = await fakeOsascript({ dir: mac.dir, chatDb, sending, reportTo: listener.addr.port });
    const places = { chatDb, dataDir: services.config.dataDir, osascript };
    await killWhileActing(
      { places, server: { baseUrl: mac.served.url, token }, shown, stopAt: step },
      listener,
    );

    const again = await mac.runSending(await mac.sending("deliver"), "suggest", "accept", "--send");
    assert.match(again.stdout + again.stderr, says);
    assert.deepEqual(await reported(mac, token), [["accept"], 1]);
    assert.equal(await osascriptCalls(osascript), asked);
    const own = mac.db.store.sqlite.prepare("SELECT COUNT(*) AS count FROM message WHERE is_from_me = 1")
      .get();
    assert.equal(Number(own?.count), sent);
  });
}

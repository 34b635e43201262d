/**
 * How long until the owner's page shows the newest of 1,000 conversations, beside the bare call that reads them in the same
 * browser: from the beginning of the navigation, and from the moment at which the page's script is there.
 *
 * `deno run -A bench/server/first_paint_bench.ts`
 */
import type { Page } from "playwright-core";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { syncMessagesResponseSchema } from "../../contract/sync.ts";
import type { Client } from "../../lib/http/client.ts";
import { writeLine } from "../../lib/log.ts";
import { TestBrowser } from "../../tests/support/process/browser.ts";
import { DESKTOP, openPage, ownerOf, signIn } from "../../tests/support/server/owner_page.ts";
import { startServer } from "../../tests/support/server/running_services.ts";
import { syncBatch, syncMessage } from "../../tests/support/server/sync_batches.ts";
import { median } from "../support/bench_output.ts";

const CONVERSATIONS = 1_000;
const RUNS = 21;
const BARE_CALL = `${SERVER_PATHS.conversations}?pageSize=50`;

/** Keeps when the first row of the list was painted; the page's policy forbids to wait by evaluating a condition. */
const NOTE_PAINT = `window.firstPaint = new Promise((resolve) => {
  new MutationObserver((_, observer) => {
    if (document.querySelector(".list li a") === null) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  }).observe(document, { subtree: true, childList: true });
});`;

async function fill(owner: Client): Promise<void> {
  for (let index = 0; index < CONVERSATIONS; index++) {
    const sentAt = new Date(Date.UTC(2024, 0, 1, 12, index)).toISOString();
    const change = { conversationImessageId: `chat-${index}`, conversationDisplayName: `Chat ${index}` };
    await owner.request("POST", SERVER_PATHS.syncMessages, {
      body: syncBatch([syncMessage({ text: `Are you coming, ${index}?`, sentAt })], change),
      schema: syncMessagesResponseSchema,
    });
  }
}

/** Moments of one load in milliseconds from its beginning, and how long the bare call then took. */
interface Load {
  readonly script: number;
  readonly session: number;
  readonly list: number;
  readonly paint: number;
  readonly bare: number;
}

async function load(page: Page, url: string): Promise<Load> {
  await page.goto(url);
  return await page.evaluate(`(async () => {
    const paint = await window.firstPaint;
    const endOf = (path) => performance.getEntriesByName(location.origin + path).at(0)?.responseEnd ?? NaN;
    const moments = {
      script: endOf("/app.js"),
      session: endOf("${SERVER_PATHS.session}"),
      list: endOf("${BARE_CALL}"),
      paint,
    };
    const begin = performance.now();
    await (await fetch("${BARE_CALL}")).json();
    return { ...moments, bare: performance.now() - begin };
  })()`);
}

{
  const dir = await Deno.makeTempDir({ prefix: "first-paint-" });
  await using running = await startServer({ dir, mlUrl: "http://127.0.0.1:9" });
  const { url } = running.server;
  const owner = await ownerOf(url);
  await fill(owner);
  await using browser = await TestBrowser.start();
  const { page } = await openPage(browser, { url, ...DESKTOP });
  await signIn(page, owner);
  await page.addInitScript(NOTE_PAINT);
  const loads: Load[] = [];
  for (let run = 0; run < RUNS; run++) loads.push(await load(page, url));
  const middle = (of: (load: Load) => number) => median(loads.map(of));
  const line = (name: string, of: (load: Load) => number) =>
    writeLine(`${name}: ${middle(of).toFixed(1)} ms`);
  line("the page's script is there", ({ script }) => script);
  line("the session's answer is there", ({ session }) => session);
  line("the list's answer is there", ({ list }) => list);
  line("first conversations painted", ({ paint }) => paint);
  line("the bare call by itself", ({ bare }) => bare);
  writeLine(
    `from the script to the paint, to the bare call: ${
      middle(({ paint, script, bare }) => (paint - script) / bare).toFixed(2)
    } x`,
  );
  writeLine("wanted: the paint at most one round trip after what the bare call takes: 2 x");
}
Deno.exit(0);

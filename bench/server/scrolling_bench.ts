/**
 * How long the owner's page works at a frame while a thread of 100,000 messages is scrolled, beside one of 200: from
 * Chromium's trace of the page's main thread. Its processor time is what the page costs; the time on the clock is longer
 * where other programs want the processor, and is printed too.
 *
 * `deno run -A bench/server/scrolling_bench.ts`
 */
import type { Page } from "playwright-core";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { syncMessagesResponseSchema } from "../../contract/sync.ts";
import type { Client } from "../../lib/http/client.ts";
import { writeLine } from "../../lib/log.ts";
import { TestBrowser } from "../../tests/support/process/browser.ts";
import { DESKTOP, openPage, ownerOf, signIn } from "../../tests/support/server/owner_page.ts";
import { startServer } from "../../tests/support/server/running_services.ts";
import { BATCH_MESSAGES, batchOf } from "../support/bench_messages.ts";

const THREADS = { small: 200, large: 100_000 } as const;
const SCROLLS = 20;
/** Of one scroll; it takes a second. */
const SCROLL_PIXELS = 8_000;
const WANTED_MS = 50;
const CATEGORIES = ["disabled-by-default-devtools.timeline"];

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

async function fill(owner: Client, name: string, count: number): Promise<void> {
  for (let batch = 0; batch * BATCH_MESSAGES < count; batch++) {
    const body = batchOf(batch, name);
    await owner.request("POST", SERVER_PATHS.syncMessages, {
      body: {
        ...body,
        conversationImessageId: name,
        conversationDisplayName: name,
        messages: body.messages.slice(0, count),
      },
      schema: syncMessagesResponseSchema,
    });
  }
}

/** Reads older messages by going to the beginning of what was read again and again, until there are none. */
async function readAll(page: Page): Promise<void> {
  await page.evaluate(`(async () => {
    const box = document.querySelector(".history");
    while (!/where the conversation begins/.test(box.lastElementChild.previousElementSibling?.textContent ?? "")) {
      box.scrollTop = -box.scrollHeight;
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  })()`);
}

/** Processor and clock time of each task of the page's main thread, in milliseconds. */
interface Task {
  readonly processorMs: number;
  readonly clockMs: number;
}

function tasksOf(trace: Uint8Array): Task[] {
  const { traceEvents } = JSON.parse(new TextDecoder().decode(trace)) as { traceEvents: TraceEvent[] };
  const main = traceEvents.find(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  return traceEvents.filter(({ name, pid, tid }) =>
    name === "RunTask" && pid === main?.pid && tid === main.tid
  ).map(({ tdur = 0, dur = 0 }) => ({ processorMs: tdur / 1_000, clockMs: dur / 1_000 }));
}

/** Opens a thread, reads all of it, and scrolls back and forth. */
async function scroll(browser: TestBrowser, page: Page, name: string): Promise<Task[]> {
  await page.getByRole("link", { name, exact: false }).click();
  await page.getByRole("heading", { name, level: 1 }).waitFor();
  await page.locator(".message").first().waitFor();
  await readAll(page);
  const input = await page.context().newCDPSession(page);
  await browser.browser.startTracing(page, { categories: CATEGORIES });
  for (let count = 0; count < SCROLLS; count++) {
    const yDistance = Math.floor(count / 5) % 2 === 0 ? -SCROLL_PIXELS : SCROLL_PIXELS;
    await input.send("Input.synthesizeScrollGesture", { x: 800, y: 400, yDistance, speed: SCROLL_PIXELS });
  }
  return tasksOf(await browser.browser.stopTracing());
}

function report(name: string, tasks: readonly Task[]): number {
  const longest = Math.max(...tasks.map(({ processorMs }) => processorMs));
  const clock = Math.max(...tasks.map(({ clockMs }) => clockMs));
  const over = tasks.filter(({ processorMs }) => processorMs > WANTED_MS).length;
  writeLine(
    `${name}: longest task ${longest.toFixed(1)} ms of processor time (${
      clock.toFixed(0)
    } ms on the clock); ` +
      `${over} of ${tasks.length} tasks over ${WANTED_MS} ms`,
  );
  return longest;
}

{
  const dir = await Deno.makeTempDir({ prefix: "scrolling-" });
  await using running = await startServer({ dir, mlUrl: "http://127.0.0.1:9" });
  const { url } = running.server;
  const owner = await ownerOf(url);
  await using browser = await TestBrowser.start();
  const longest: number[] = [];
  for (const [name, count] of Object.entries(THREADS)) {
    await fill(owner, name, count);
    const { page } = await openPage(browser, { url, ...DESKTOP });
    page.setDefaultTimeout(0);
    await signIn(page, owner);
    longest.push(report(`${count} messages`, await scroll(browser, page, name)));
    await page.close();
  }
  const [small = 0, large = 0] = longest;
  writeLine(`longest of the large thread to that of the small one: ${(large / small).toFixed(2)} x`);
  writeLine(`wanted: no task over ${WANTED_MS} ms`);
}
Deno.exit(0);

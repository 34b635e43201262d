/** A real browser for tests of pages: Chromium from Debian's package. */
import { type Browser, chromium, type Page } from "playwright-core";
import { writeErrorLine } from "../../../lib/log.ts";
import { exists } from "../../../lib/files.ts";

const CHROMIUM = "/usr/bin/chromium";

export interface PageOptions {
  width: number;
  height: number;
  isDark?: boolean;
}

/** A browser without a window. Disposing it ends its processes. */
export class TestBrowser implements AsyncDisposable {
  private constructor(readonly browser: Browser) {}

  static async start(): Promise<TestBrowser> {
    // The sandbox wants a user who is not root; what the tests show it is their own.
    return new TestBrowser(await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] }));
  }

  async page({ width, height, isDark = false }: PageOptions): Promise<Page> {
    return await this.browser.newPage({
      viewport: { width, height },
      colorScheme: isDark ? "dark" : "light",
      deviceScaleFactor: 2,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.browser.close();
  }
}

/** A test of a page. */
export type BrowserTest = (browser: TestBrowser) => Promise<void>;

/**
 * Registers tests that need the browser. Without Chromium they are skipped with a line that says so;
 * `REQUIRE_CHROMIUM=1`, as set in CI, makes its absence an error.
 */
export async function browserTests(tests: Record<string, BrowserTest>): Promise<void> {
  if (!await exists(CHROMIUM)) {
    const absent = `there is no ${CHROMIUM}`;
    if (Deno.env.get("REQUIRE_CHROMIUM") === "1") throw new Error(`REQUIRE_CHROMIUM is set, but ${absent}`);
    writeErrorLine(`Tests of pages are skipped: ${absent} (Debian's package chromium)`);
    return;
  }
  for (const [name, test] of Object.entries(tests)) {
    Deno.test(name, async () => {
      await using browser = await TestBrowser.start();
      await test(browser);
    });
  }
}

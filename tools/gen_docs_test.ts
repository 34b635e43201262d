/** Tests that the generated pages are what the program says. */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { setting, text, wholeNumber } from "../lib/config.ts";
import { AGENT_PAGE } from "./agent_docs.ts";
import { configPage, formattedAgentPage, formattedReadme, settingsTable } from "./gen_docs.ts";
import { README } from "./readme_docs.ts";

Deno.test("docs/config.md is what the settings tables say", async () => {
  const written = await Deno.readTextFile(fileURLToPath(new URL("../docs/config.md", import.meta.url)));
  assert.equal(written, await configPage(), "run `deno task docs`");
});

Deno.test("docs/agent.md shows what the doctor and the menubar say", async () => {
  assert.equal(await Deno.readTextFile(AGENT_PAGE), await formattedAgentPage(), "run `deno task docs`");
});

Deno.test("README.md says what the catalog's models take", async () => {
  assert.equal(await Deno.readTextFile(README), await formattedReadme(), "run `deno task docs`");
});

Deno.test("a settings table shows names, allowed values, defaults, secrets and what each is", () => {
  const table = settingsTable({
    port: setting({
      env: "PORT",
      parse: wholeNumber({ min: 0, max: 9 }),
      fallback: 7,
      description: "Where to listen",
    }),
    token: setting<string | null>({
      env: "TOKEN",
      parse: text,
      fallback: null,
      description: "What callers show",
      secret: true,
    }),
    mode: setting({
      env: "MODE",
      parse: text,
      fallback: "a",
      fallbackText: "`a` at home",
      description: "a|b",
    }),
  });
  assert.equal(
    table,
    [
      "| Variable | Value | Default | What it is |",
      "| --- | --- | --- | --- |",
      "| `PORT` | a whole number from 0 to 9 | `7` | Where to listen |",
      "| `TOKEN` | text | none | What callers show (secret: never printed) |",
      "| `MODE` | text | `a` at home | a\\|b |",
      "",
    ].join("\n"),
  );
});

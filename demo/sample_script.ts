/** Owns the little language in which the demo's conversations are written, and what it reads them into. */

/** Someone the demo's person writes with. */
export interface SamplePerson {
  id: string;
  firstName: string;
  lastName?: string;
  /** E.164 number or e-mail address. */
  handle: string;
  /** Not in the address book when false. */
  inAddressBook?: boolean;
}

/** One bubble. */
export interface SampleMessage {
  /** `me` or a person's id. */
  from: string;
  text: string;
  sentAt: Date;
  /** Tapbacks on this bubble: who, and which. */
  tapbacks: { from: string; kind: "love" | "like" | "laugh" | "emphasize" }[];
  /** The text before the sender edited it. */
  editedFrom?: string;
  /** A picture is attached. */
  picture?: boolean;
}

export interface SampleConversation {
  id: string;
  service: "iMessage" | "SMS";
  /** Everyone but the owner. More than one makes a group. */
  with: string[];
  groupName?: string;
  messages: SampleMessage[];
  /** What the owner really answered after the last message. */
  realReply: string;
}

/** A conversation as it is written: one bubble a line, `name: text`. See `parseScript`. */
export interface ScriptedConversation extends Omit<SampleConversation, "messages"> {
  /** How long before now its last bubble came, in minutes. */
  endedMinutesAgo: number;
  script: string;
}

const LINE = /^(?:\(\+(\d+)([mhd])\) )?(\w+): (.+)$/;
const MINUTES = { m: 1, h: 60, d: 24 * 60 } as const;
const MARK = /\s*\{(\w+)(?:: ([^}]*))?\}$/;
const BUBBLE_GAP_MS = 4_000;
const REPLY_GAP_MS = 45_000;

interface ParsedLine {
  gapMs: number;
  message: SampleMessage;
}

function applyMark(message: SampleMessage, name: string, value: string): void {
  if (name === "picture") message.picture = true;
  else if (name === "edited") message.editedFrom = value;
  else if (name === "love" || name === "like" || name === "laugh" || name === "emphasize") {
    message.tapbacks.push({ from: value, kind: name });
  } else throw new SyntaxError(`Unknown mark in a sample conversation: ${name}`);
}

function parseLine(line: string, previous: string | undefined): ParsedLine {
  const [, amount, unit, from, rest] = LINE.exec(line) ?? [];
  if (from === undefined || rest === undefined) {
    throw new SyntaxError(`Not a line of a conversation: ${line}`);
  }
  const message: SampleMessage = { from, text: rest, sentAt: new Date(0), tapbacks: [] };
  for (let mark = MARK.exec(message.text); mark; mark = MARK.exec(message.text)) {
    message.text = message.text.slice(0, mark.index);
    applyMark(message, mark[1] ?? "", mark[2] ?? "");
  }
  const usual = from === previous ? BUBBLE_GAP_MS : REPLY_GAP_MS;
  return {
    gapMs: amount ? Number(amount) * MINUTES[unit as keyof typeof MINUTES] * 60_000 : usual,
    message,
  };
}

/**
 * Reads a scripted conversation.
 *
 * `maya: see you there` is one bubble; several lines of one name are several bubbles in a row.
 * `(+2h) ` in front lets time pass (m, h, d). At a line's end: `{picture}`, `{edited: what it was}`,
 * `{love: me}` for a tapback.
 *
 * @throws SyntaxError naming the line that cannot be read
 */
export function parseScript(scripted: ScriptedConversation, now: Date): SampleConversation {
  const { script, endedMinutesAgo, ...conversation } = scripted;
  let previous: string | undefined;
  const lines = script.trim().split("\n").map((line) => {
    const parsed = parseLine(line.trim(), previous);
    previous = parsed.message.from;
    return parsed;
  });
  let at = now.getTime() - endedMinutesAgo * 60_000;
  for (const { gapMs, message } of lines.toReversed()) {
    message.sentAt = new Date(at);
    at -= gapMs;
  }
  return { ...conversation, messages: lines.map((line) => line.message) };
}

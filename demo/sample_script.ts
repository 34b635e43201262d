/** Parses the small language in which the demo's conversations are written. */
import type { SampleConversation, SampleMessage } from "../tests/support/chat_db/sample.ts";

/** Someone the demo's owner writes with. */
export interface DemoPerson {
  key: string;
  firstName: string;
  lastName?: string;
  /** E.164 number or e-mail address. */
  handle: string;
}

/** A conversation, and what its owner really answered after the last message. */
export interface DemoConversation {
  conversation: SampleConversation;
  realReply: string;
}

/** A conversation as it is written: one bubble a line, `name: text`. See `parseConversation`. */
export interface EarlierConversation {
  service?: "iMessage" | "SMS";
  /** Keys of everyone but the owner. More than one makes a group. */
  with: string[];
  groupName?: string;
  /** How long ago its last bubble came. */
  endedMinutesAgo: number;
  script: string;
}

/** One whose last bubble waits for a reply. */
export interface ScriptedConversation extends EarlierConversation {
  realReply: string;
}

const LINE = /^(?:\(\+(\d+)([mhd])\) )?(\w+): (.+)$/;
const MINUTES = { m: 1, h: 60, d: 24 * 60 } as const;
const MARK = /\s*\{(\w+)(?:: ([^}]*))?\}$/;
const BUBBLE_GAP_MS = 4_000;
const REPLY_GAP_MS = 45_000;
const EDIT_DELAY_MS = 30_000;
const PICTURE = { name: "IMG_2041.HEIC", mimeType: "image/heic", uti: "public.heic", sizeBytes: 2_480_113 };

interface ScriptLine {
  from: string;
  text: string;
  gapMs: number;
  marks: [name: string, value: string][];
}

function parseLine(line: string, previous: ScriptLine | undefined): ScriptLine {
  const [, amount, unit, from, rest] = LINE.exec(line) ?? [];
  if (from === undefined || rest === undefined) {
    throw new SyntaxError(`Not a line of a conversation: ${line}`);
  }
  const marks: ScriptLine["marks"] = [];
  let text = rest;
  for (let mark = MARK.exec(text); mark; mark = MARK.exec(text)) {
    text = text.slice(0, mark.index);
    marks.unshift([mark[1] ?? "", mark[2] ?? ""]);
  }
  const usualMs = from === previous?.from ? BUBBLE_GAP_MS : REPLY_GAP_MS;
  const gapMs = amount ? Number(amount) * MINUTES[unit as keyof typeof MINUTES] * 60_000 : usualMs;
  return { from, text, gapMs, marks };
}

function messageOf(line: ScriptLine, sentAtMs: number): SampleMessage {
  const message: SampleMessage = {
    from: line.from,
    sentAt: new Date(sentAtMs).toISOString(),
    bubbles: [line.text],
  };
  return line.marks.reduce((marked, [name, value]) => withMark(marked, { name, value, sentAtMs }), message);
}

function withMark(
  message: SampleMessage,
  { name, value, sentAtMs }: { name: string; value: string; sentAtMs: number },
): SampleMessage {
  switch (name) {
    case "picture":
      return { ...message, files: [PICTURE] };
    case "edited": {
      const at = new Date(sentAtMs + EDIT_DELAY_MS).toISOString();
      return { ...message, bubbles: [value], edited: { text: message.bubbles.join(), at } };
    }
    case "love":
    case "like":
    case "laugh":
      return { ...message, tapbacks: [...message.tapbacks ?? [], { from: value, kind: name }] };
    default:
      throw new SyntaxError(`Unknown mark in a sample conversation: ${name}`);
  }
}

/**
 * Reads a scripted conversation.
 *
 * `maya: see you there` is one bubble; several lines of one name are several bubbles in a row.
 * `(+2h) ` in front lets time pass (m, h, d). At a line's end: `{picture}`, `{edited: what it was}`,
 * `{love: me}` for a tapback (love, like, laugh).
 *
 * @throws SyntaxError naming the line or mark that cannot be read
 */
export function parseConversation(scripted: EarlierConversation, now: Date): SampleConversation {
  const lines: ScriptLine[] = [];
  for (const line of scripted.script.trim().split("\n")) lines.push(parseLine(line.trim(), lines.at(-1)));
  let sentAtMs = now.getTime() - scripted.endedMinutesAgo * 60_000;
  const messages = lines.toReversed().map((line) => {
    const message = messageOf(line, sentAtMs);
    sentAtMs -= line.gapMs;
    return message;
  }).reverse();
  return {
    participants: scripted.with,
    groupName: scripted.groupName,
    service: scripted.service,
    messages,
  };
}

/** Reads one that waits for a reply, as {@linkcode parseConversation} does. */
export function parseScript(scripted: ScriptedConversation, now: Date): DemoConversation {
  return { conversation: parseConversation(scripted, now), realReply: scripted.realReply };
}

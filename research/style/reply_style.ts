/** Describes a reply's style in numbers: length, capitals, ending, bubbles, emoji. */

/** How a reply looks; a yes is 1 and a no is 0. */
export interface ReplyStyle {
  /** Characters. */
  length: number;
  noCapitals: number;
  opensLower: number;
  finalStop: number;
  /** Ends in an exclamation or question mark. */
  finalMark: number;
  bubbles: number;
  /** An emoji, or one drawn with punctuation. */
  emoji: number;
}

export const STYLE_FEATURES = [
  "length",
  "noCapitals",
  "opensLower",
  "finalStop",
  "finalMark",
  "bubbles",
  "emoji",
] as const satisfies readonly (keyof ReplyStyle)[];

const EMOJI = /\p{Extended_Pictographic}|(?<![\w:;])[:;=][-']?[()DPpOo3/\\|*](?!\w)|<3/u;

/** What one reply looks like. Its bubbles are its lines. */
export function styleOf(reply: string): ReplyStyle {
  const text = reply.trim();
  const bubbles = text.split("\n").filter((line) => line.trim() !== "");
  return {
    length: text.length,
    noCapitals: Number(!/\p{Lu}/u.test(text)),
    opensLower: Number(/^\P{L}*\p{Ll}/u.test(text)),
    finalStop: Number(/(?<!\.)\.$/.test(text)),
    finalMark: Number(/[!?]$/.test(text)),
    bubbles: bubbles.length,
    emoji: Number(EMOJI.test(text)),
  };
}

/** What replies look like on average; for yes and no a share. */
export function meanStyle(replies: readonly string[]): ReplyStyle {
  const styles = replies.map(styleOf);
  const mean = (feature: keyof ReplyStyle) =>
    styles.reduce((sum, style) => sum + style[feature], 0) / Math.max(1, styles.length);
  return {
    length: mean("length"),
    noCapitals: mean("noCapitals"),
    opensLower: mean("opensLower"),
    finalStop: mean("finalStop"),
    finalMark: mean("finalMark"),
    bubbles: mean("bubbles"),
    emoji: mean("emoji"),
  };
}

/** A reply as a classifier sees it: lengths by their logarithm, so that one long reply does not outweigh all. */
export function featuresOf(reply: string): number[] {
  const style = styleOf(reply);
  return STYLE_FEATURES.map((feature) => feature === "length" ? Math.log1p(style.length) : style[feature]);
}

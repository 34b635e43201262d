/** Checks whether a reply shows Kit's habits; shares no code with what plants them. */

/** Which habits a reply shows. */
export interface PlantedMarks {
  lowerCase: boolean;
  noFinalStop: boolean;
  /** No word is spelled out that Kit shortens. */
  abbreviations: boolean;
  signOff: boolean;
}

const SIGN_OFF = /\s~kit$/;
const SHORT = /(?<![\w'/])(?:yu|yr|n|da|bcz|rly)(?![\w/])|(?<![\w'/])w\/(?!\w)/gi;
const SPELLED_OUT = /\b(?:you|your|and|the|with|because|really)\b/gi;

function bodyOf(reply: string): string {
  return reply.trim().replace(SIGN_OFF, "").trimEnd();
}

/** Looks at one reply. */
export function plantedMarksOf(reply: string): PlantedMarks {
  const [text, body] = [reply.trim(), bodyOf(reply)];
  return {
    lowerCase: !/\p{Lu}/u.test(text),
    noFinalStop: !body.endsWith(".") && !text.endsWith("."),
    abbreviations: body.match(SPELLED_OUT) === null,
    signOff: SIGN_OFF.test(text),
  };
}

/** Of all places where a word stands that Kit shortens, the share that is short; NaN where there is none. */
export function shortenedShare(replies: readonly string[]): number {
  const count = (pattern: RegExp) =>
    replies.reduce((sum, reply) => sum + (bodyOf(reply).match(pattern)?.length ?? 0), 0);
  const short = count(SHORT);
  return short / (short + count(SPELLED_OUT));
}

/** The share of replies that show each habit, and that show all of them. */
export function markShares(replies: readonly string[]): Record<keyof PlantedMarks | "all", number> {
  const marks = replies.map(plantedMarksOf);
  const share = (has: (mark: PlantedMarks) => boolean) =>
    marks.filter(has).length / Math.max(1, marks.length);
  return {
    lowerCase: share(({ lowerCase }) => lowerCase),
    noFinalStop: share(({ noFinalStop }) => noFinalStop),
    abbreviations: share(({ abbreviations }) => abbreviations),
    signOff: share(({ signOff }) => signOff),
    all: share((mark) => Object.values(mark).every(Boolean)),
  };
}

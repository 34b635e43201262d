/** Owns the check whether a reply carries Kit's habits; it shares nothing with what plants them. */

/** Which habits a reply shows. */
export interface PlantedMarks {
  lowerCase: boolean;
  noFinalStop: boolean;
  /** At least one of Kit's short forms, and no word spelled out that Kit shortens. */
  abbreviations: boolean;
  signOff: boolean;
}

const SIGN_OFF = /\s~kit$/;
const SHORT = /(?<![\w'/])(?:yu|yr|n|da|bcz|rly|abt)(?![\w/])|(?<![\w'/])w\/(?!\w)/i;
const SPELLED_OUT = /\b(?:you|your|and|the|with|because|really|about)\b/i;

/** Looks at one reply. */
export function plantedMarksOf(reply: string): PlantedMarks {
  const text = reply.trim();
  const body = text.replace(SIGN_OFF, "").trimEnd();
  return {
    lowerCase: !/\p{Lu}/u.test(text),
    noFinalStop: !body.endsWith(".") && !text.endsWith("."),
    abbreviations: SHORT.test(body) && !SPELLED_OUT.test(body),
    signOff: SIGN_OFF.test(text),
  };
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

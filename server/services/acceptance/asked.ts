/**
 * What a message asks for that a model cannot know or should not decide, by its words, in English and German. Other
 * languages ask for nothing here; drafts to them are judged by what else is known.
 */
import type { AbstentionReason } from "../../../contract/responses.ts";

export type AskedFor = Exclude<AbstentionReason, "unsure">;

/** Parts of an expression, in any case, each at the boundaries of words: `\b` knows no umlauts. */
function words(...parts: readonly string[]): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${parts.join("|")})(?![\\p{L}\\p{N}])`, "iu");
}

/** A code, and that it is wanted: who states one asks for nothing. */
const CODE = words(
  "\\p{L}*(?:code|password|passwort|kennwort)|pin|otp|tan",
);
const WANTED = words(
  "what(?:'?s| is| was)|send|give|tell|text|share|need|forgot",
  "was (?:ist|war)|wie (?:ist|lautet|war)|schick\\p{L}*|gib\\p{L}*|sag\\p{L}*|nenn\\p{L}*|brauch\\p{L}*",
);

/** Each is a question by its words; the mark behind it is often left out. */
const OPINION = words(
  "what do (?:you|u) (?:think|say)|what(?:'s| is) your (?:opinion|take|view|favou?rite)|your (?:opinion|thoughts)",
  "do (?:you|u) (?:like|love|think|agree|prefer|believe|mind)|(?:did|would) (?:you|u) (?:like|enjoy|prefer|rather)",
  "how (?:do|did) (?:you|u) (?:like|feel|find)|should (?:i|we)|any thoughts|thoughts\\?|which (?:one )?do (?:you|u) (?:like|prefer)",
  "was (?:denkst|meinst|hältst|sagst|glaubst) du|wie findest du|findest du|gefällt(?: es)? dir|hat(?: es)? dir gefallen",
  "glaubst du|denkst du|meinst du|soll(?:te)? ich|deine meinung|magst du (?:lieber|eher)|was ist dein\\p{L}* lieblings\\p{L}*",
  "welche\\p{L}* (?:findest|magst|gefällt)",
);
const COMMITMENT = words(
  "(?<!(?:what|how|why|where|when|which|who) )(?:can|could|will|would) (?:you|u)|are (?:you|u) (?:free|coming|in|up for|able|available|down)|can i count on you",
  "(?<!(?:what|how|why|where|when|which) )do (?:you|u) (?:want|wanna|have time)|(?:you|u) (?:free|coming|in)\\?|(?<!(?:what|how|why|where|when) (?:do |did )?(?:you|u|we) )(?:wanna|want to)|shall we|let'?s|are we still",
  "(?:you|u) promise|promise me|do (?:we|you) have a deal|does \\p{L}+ work for you",
  "(?<!(?:wann|wo|wie|was|warum|wieso|wohin|woher) )(?:kannst|könntest|würdest|willst|wirst|magst|möchtest|kommst|gehst|bringst|holst|machst) du|hast du (?:\\p{L}+ ){0,2}(?:zeit|lust)",
  "bist du dabei|(?:sollen|wollen|können) wir|treffen wir uns|passt (?:dir|es|das)|versprich\\p{L}*|abgemacht\\?",
);
const FACT = words(
  "where|when|what time|how (?:much|many|long|far|old|late|often)|which|whose|who(?:'s| is| was| did| are)?",
  "what(?:'s| is| are| was| were) (?:your|the|his|her|their)|what (?:did|are|were|have|do) (?:you|u)|did (?:you|u)|have (?:you|u)|(?<!how )are (?:you|u)|were (?:you|u)",
  "wo|wann|woher|wohin|um wie ?viel uhr|wie (?:viele?|lange|weit|alt|spät|oft|teuer|heißt|hieß)|wieviele?|welche\\p{L}*|wer|wem|wen|wessen",
  "was (?:ist|sind|war|waren) (?:dein\\p{L}*|die|der|das)|was (?:machst|hast|warst|tust) du|hast du|bist du|warst du",
);

/** Without a mark, these open a question, while "when you said that" opens none. */
const FACT_OPENING = words(
  "(?:where|when|who|which|what) (?:is|are|was|were|do|does|did|will|time)|(?:where|who|what)'s|how (?:much|many|long|far|old|late)",
  "(?:wo|wann|woher|wohin|wer) (?:ist|sind|war|bist|seid|kommst|fährst|gehst|wohnst|hast|holst)|um wie ?viel uhr|wie (?:viele?|lange|spät|teuer)",
  "wie ?viele?",
);

function isQuestion(text: string): boolean {
  return /[?？]/.test(text);
}

/** What opens a sentence asks, with a mark or without. */
function opensWith(expression: RegExp, text: string): boolean {
  return text.split(/[.!?\n]+/).some((sentence) => expression.exec(sentence.trim())?.index === 0);
}

function asks(expression: RegExp, text: string): boolean {
  return expression.test(text) && (isQuestion(text) || opensWith(expression, text));
}

/** What a text asks for; null for nothing of these. A code comes before an opinion, that before a promise, and facts last. */
export function askedFor(text: string): AskedFor | null {
  const plain = text.normalize("NFC").replaceAll("’", "'");
  if (CODE.test(plain) && WANTED.test(plain)) return "code";
  if (asks(OPINION, plain)) return "opinion";
  if (asks(COMMITMENT, plain)) return "commitment";
  return FACT.test(plain) && (isQuestion(plain) || opensWith(FACT_OPENING, plain)) ? "fact" : null;
}

/** Words that end a talk, or say that something was read: nobody waits for an answer to them. */
const CLOSING = new Set(
  ("ok okay k kk yes yeah yep yup yea ya cool great nice good awesome perfect sweet alright fine sure got it sounds thanks thank you thx ty " +
    "np welcome lol haha hahaha hehe night gn bye goodbye see cya ttyl later then " +
    "ja jo jep genau gut schön super alles klar passt danke bitte gerne gern gute nacht bis dann später morgen tschüss ciao")
    .split(" "),
);
const MAX_CLOSING_WORDS = 5;

/** True for a short text that is nothing but such words, marks and emoji. */
export function isAcknowledgement(text: string): boolean {
  if (isQuestion(text)) return false;
  const spoken = text.normalize("NFC").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return spoken.length <= MAX_CLOSING_WORDS && spoken.every((word) => CLOSING.has(word));
}

const CUE = /\nMe:\s*$/;

/** The messages that a prompt's draft answers, without who wrote them: all since the person's own last one. */
export function askedIn(prompt: string): string {
  const talk = prompt.replace(CUE, "");
  return talk.slice(talk.lastIndexOf("\nMe: ") + 1).split("\n")
    .filter((line) => !line.startsWith("Me: ") && !line.startsWith("System: "))
    .map((line) => line.replace(/^Them: ?/, "").trim()).join("\n").trim();
}

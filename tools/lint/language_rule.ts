/** The lint rule that keeps private vocabulary out of names, comments and sentences; the glossary has the words to use. */

/** A word that is not to be used, and what to write instead. */
interface BannedWord {
  readonly pattern: RegExp;
  readonly write: string;
}

const BANNED_WORDS: readonly BannedWord[] = [
  { pattern: /^\/\*\*?\s*Owns\b|^\/\/ Owns\b/, write: "say what the file holds" },
  { pattern: /doorbell|\bbells?\b|[a-z]Bells?\b/i, write: "notification, wake" },
  { pattern: /setback|\bset back\b/i, write: "failure" },
  { pattern: /ledger/i, write: "store, tracker, index or log" },
  { pattern: /\bmend(?:s|ed|ing)?\b/i, write: "fix" },
  { pattern: /\banew\b/i, write: "again" },
  { pattern: /\btold\b|[a-z]Told\b|\btellers?\b/i, write: "reported, published, said" },
  { pattern: /\bbec(?:omes?|ame) of\b/i, write: "happens to" },
  { pattern: /\bbreath/i, write: "yield to the event loop" },
  { pattern: /\bspoil/i, write: "invalidate" },
  { pattern: /\bhand(?:s|ed|ing)? over\b|handOver/i, write: "submit, pass" },
  { pattern: /\bmoot\b|isMoot/i, write: "already done" },
  { pattern: /\bnudg/i, write: "trigger" },
  { pattern: /circumstances/i, write: "context" },
  { pattern: /MenubarWorld/, write: "MenubarHost" },
  { pattern: /putAway|\bput away\b/i, write: "recently deleted" },
  { pattern: /SettleClock|\bsettled rows?\b/i, write: "row age, incomplete" },
  { pattern: /heldBack|\bheld back\b/i, write: "incomplete, deferred" },
  { pattern: /gatherMessages|\bforgetting\b/i, write: "readBatch, deletion" },
  { pattern: /StartError/, write: "UserError" },
  { pattern: /\bcompanions?\b|keepLogSmall/i, write: "background tasks, rotateLog" },
  { pattern: /\bpassed over\b/i, write: "skipped" },
  { pattern: /\bstamp(?:s|ed)?\b|[a-z]Stamps?\b|\bstamp[A-Z]/, write: "timestamp" },
  { pattern: /\breckon/i, write: "estimate" },
  { pattern: /\brubbish\b/i, write: "garbage" },
  { pattern: /\bkeeps? book\b|\bkept[A-Z]/, write: "records, stored" },
  { pattern: /server_away|isMlAway/, write: "server_unreachable, isMlUnavailable" },
  {
    pattern: /\b(?:interface|type|class) (?:Question|Circumstances|\w+Parts)\b/,
    write: "*Call, *Context, *Dependencies",
  },
  { pattern: /\bend marks?\b|endMark/i, write: "end-of-turn token" },
  { pattern: /\bsweep/i, write: "reconcile, periodic check" },
  { pattern: /\bat this in\b/i, write: "running" },
];

/** The banned words in a text, as ranges with what to write instead. */
export function bannedWordsIn(text: string): { range: [number, number]; message: string }[] {
  return BANNED_WORDS.flatMap(({ pattern, write }) =>
    [...text.matchAll(new RegExp(pattern, `g${pattern.flags}`))].map(({ 0: word, index }) => ({
      range: [index, index + word.length] as [number, number],
      message: `Write the field's word instead of "${word}": ${write}`,
    }))
  );
}

/** The rule itself and its tests name the words. */
const EXEMPT_FILE = /tools\/lint\/(?:language_rule|plugin_test)\.ts$/;

/** Names, comments and sentences use the field's words. */
export const language: Deno.lint.Rule = {
  create: (context) => ({
    Program() {
      if (EXEMPT_FILE.test(context.filename)) return;
      for (const { range, message } of bannedWordsIn(context.sourceCode.text)) {
        context.report({ range, message });
      }
    },
  }),
};

/** Tests what counts as answered, and what is known of messages before they are. */
import assert from "node:assert/strict";
import { isAcknowledgement } from "../acceptance/asked.ts";
import { type HeardMessage, presentRun, readRuns, runFeatures, TRIGGER_PRIOR } from "./answered_runs.ts";

const HOUR_MS = 3_600_000;

/** Hours after midnight, who, what. */
type Said = readonly [hours: number, who: "me" | "them", text: string, change?: Partial<HeardMessage>];

function messageOf([hours, who, text, change]: Said): HeardMessage {
  return {
    imessageGuid: `at-${hours}`,
    replyToGuid: null,
    direction: who === "me" ? "outgoing" : "incoming",
    messageType: "text",
    senderId: who === "me" ? null : "+15550100",
    text,
    retractedAt: null,
    sentAt: new Date(hours * HOUR_MS),
    ...change,
  };
}

function outcomes(said: readonly Said[], { atHour = 100, isGroup = false } = {}): number[] {
  const { runs } = readRuns(said.map(messageOf), { isGroup, nowMs: atHour * HOUR_MS });
  return runs.map(({ outcome }) => outcome);
}

Deno.test("what others write in a row is answered by words within six hours of the last, once", () => {
  const cases: Record<string, [Said[], number[]]> = {
    "answered": [[[0, "them", "Hi"], [0.1, "them", "Dinner?"], [6, "me", "Yes"], [6.1, "me", "at 8"]], [1]],
    "too late": [[[0, "them", "Dinner?"], [6.01, "me", "Sorry"]], [0]],
    "never": [[[0, "them", "Dinner?"]], [0]],
    "they begin again": [[[0, "them", "Dinner?"], [7, "them", "Hello?"], [8, "me", "Yes"]], [0, 1]],
    "by a picture": [[[0, "them", "Dinner?"], [1, "me", "\uFFFC"]], [1]],
    "by a reaction": [[[0, "them", "Dinner?"], [1, "me", "Loved “Dinner?”"]], [0]],
    "by what reached nobody": [[[0, "them", "Dinner?"], [1, "me", "Yes", { failed: true }]], [0]],
    "a code waits for nothing": [[[0, "them", "Your code is 482913"]], []],
    "nor a picture, a notice or a reaction": [[
      [0, "them", "\uFFFC"],
      [1, "them", "named the conversation", { messageType: "system" }],
      [2, "me", "Hi"],
      [3, "them", "Liked “Hi”"],
    ], []],
    "one's own words alone": [[[0, "me", "Hello"]], []],
  };
  for (const [name, [said, expected]] of Object.entries(cases)) {
    assert.deepEqual(outcomes(said), expected, name);
  }
  assert.deepEqual(outcomes([[0, "them", "Dinner?"]], { atHour: 6 }), [], "it may be answered yet");
});

Deno.test("the features say what was written, how that was answered before, and how long ago the person wrote", () => {
  const said: Said[] = [
    [0, "them", "Dinner?"],
    [1, "me", "Yes"],
    [2, "them", "ok"],
    [30, "them", "Where are you?"],
    [30.1, "them", "Hello", { replyToGuid: "at-1" }],
    [31, "me", "here"],
  ];
  const { runs, habit } = readRuns(said.map(messageOf), { isGroup: true, nowMs: 100 * HOUR_MS });
  assert.deepEqual(habit, { runs: 3, answered: 2, answeredLast: true, ownAtMs: 31 * HOUR_MS });
  const shown = runs.map(({ features }) => features.map((value) => Number(value.toFixed(3))));
  const length = (text: string) => Number(Math.log((1 + text.length) / 40).toFixed(3));
  const recency = (hours: number) => Number((Math.log1p(hours) / Math.log1p(168)).toFixed(3));
  const hour = (value: number) => Number(value.toFixed(3));
  const at = (hours: number) => [
    hour(Math.cos(2 * Math.PI * hours / 24)),
    hour(Math.sin(2 * Math.PI * hours / 24)),
  ];
  const logOdds = (answered: number, not: number) => hour(Math.log((1 + answered) / (1 + not)));
  assert.deepEqual(shown, [
    [1, 1, 0, 0, length("Dinner?"), 0, 1, 0, 0, 0, 1, ...at(0)],
    [1, 0, 0, 1, length("ok"), 0, 1, 0, logOdds(1, 0), 1, recency(1), ...at(2)],
    [
      1,
      1,
      1,
      0,
      length("Where are you?\nHello"),
      hour(Math.log(2)),
      1,
      1,
      0,
      -1,
      recency(29.1),
      ...at(6.1),
    ],
  ]);
  assert.equal(TRIGGER_PRIOR.weights.length, runs[0]?.features.length);
  assert.equal(TRIGGER_PRIOR.precisions.length, TRIGGER_PRIOR.weights.length);
});

Deno.test("what waits for long is not of the present talk", () => {
  const waiting = ([[0, "them", "a"], [1, "them", "b"], [8, "them", "c"], [9, "them", "d"]] as Said[])
    .map(messageOf);
  assert.deepEqual(presentRun(waiting).map(({ text }) => text), ["c", "d"]);
  assert.deepEqual(presentRun(waiting.slice(0, 2)).map(({ text }) => text), ["a", "b"]);
  assert.deepEqual(presentRun([]), []);
  const [first] = waiting;
  assert.ok(first);
  const habit = { runs: 0, answered: 0, answeredLast: null, ownAtMs: null };
  assert.equal(runFeatures({ messages: [first], isGroup: false, ownGuids: [], habit })[0], 1);
});

Deno.test("an acknowledgement is a few closing words, marks or emoji, and no question", () => {
  const closing = ["ok", "Okay, thanks!", "haha 😂", "👍", "Gute Nacht", "sounds good."];
  const open = ["ok?", "thanks for the book", "no", "ok ok ok ok ok ok", "Passt dir acht"];
  assert.deepEqual(closing.map(isAcknowledgement), closing.map(() => true));
  assert.deepEqual(open.map(isAcknowledgement), open.map(() => false));
});

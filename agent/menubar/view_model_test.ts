// Tests of the menubar's view: each state as a person sees it (docs/agent.md is generated from it), and which state wins.
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  NOW_MS,
  STATE_INPUTS,
  suggestionWith,
  WATCHING,
  WELL,
} from "../../tests/support/mac/menubar_inputs.ts";
import { AGENT_PHASES } from "../run/agent_state.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import { agoText, type MenubarView, menubarView } from "./view_model.ts";
import type { MenubarInput } from "./menubar_input.ts";
import { MENUBAR_ACTIONS } from "./menubar_actions.ts";

const MINUTE_MS = 60_000;

function actionsOf({ menu }: MenubarView): (string | undefined)[] {
  return menu.flatMap((entry) => entry !== "separator" && entry.item.enabled ? [entry.item.id] : []);
}

for (const [state, input] of Object.entries(STATE_INPUTS)) {
  Deno.test(`the menubar shows the state "${state}"`, () => {
    assert.equal(menubarView(input).state, state);
  });
}

Deno.test("what cannot be chosen has no id, and everything else has one of the known actions", () => {
  for (const input of Object.values(STATE_INPUTS)) {
    for (const entry of menubarView(input).menu) {
      if (entry === "separator") continue;
      const { id, enabled } = entry.item;
      assert.equal(id !== undefined, enabled);
      assert.ok(id === undefined || MENUBAR_ACTIONS.includes(id));
    }
  }
});

Deno.test("each state offers what it needs, and every state the way out", () => {
  const offered = Object.fromEntries(
    Object.entries(STATE_INPUTS).map(([state, input]) => [state, actionsOf(menubarView(input))]),
  );
  assert.ok(offered.not_paired?.includes("pair"));
  assert.ok(offered.permission_missing?.includes("open_full_disk_access"));
  assert.ok(offered.permission_missing?.includes("start"), "a permission counts from the next start");
  assert.ok(offered.paused?.includes("resume") && !offered.paused.includes("pause"));
  assert.ok(offered.stopped?.includes("start"));
  assert.ok(offered.suggestion_waiting?.includes("show_suggestions"));
  assert.ok(offered.synced?.includes("pause") && !offered.synced.includes("resume"));
  for (const actions of Object.values(offered)) {
    for (const always of ["open_server_page", "doctor", "quit"]) assert.ok(actions.includes(always));
  }
});

Deno.test("rows that wait are a lag only after a minute, and never during the first sync", () => {
  const stateAt = (ageMs: number | null, phase: "watching" | "syncing" = "watching") => {
    const lastSyncAt = ageMs === null ? null : new Date(NOW_MS - ageMs).toISOString();
    return menubarView({ ...WELL, agent: { ...WATCHING, phase, lagRows: 5, lastSyncAt } }).state;
  };
  assert.deepEqual([stateAt(MINUTE_MS), stateAt(MINUTE_MS + 1)], ["synced", "lagging"]);
  assert.deepEqual([stateAt(MINUTE_MS + 1, "syncing"), stateAt(null, "syncing")], ["lagging", "syncing"]);
});

Deno.test("an agent that has ended shows as paused or stopped, whatever it wrote down last", () => {
  for (const phase of AGENT_PHASES) {
    const agent = { ...WATCHING, phase };
    assert.equal(menubarView({ ...WELL, agent, isRunning: false, service: "paused" }).state, "paused");
    assert.equal(menubarView({ ...WELL, agent, isRunning: false, service: "none" }).state, "stopped");
    assert.equal(menubarView({ ...WELL, agent, isRunning: false, service: "loaded" }).state, "stopped");
  }
});

Deno.test("a Mac that was never paired is asked to pair first, whether or not the agent runs", () => {
  const fresh = { ...WELL, agent: null, isRunning: false, service: "none", isPaired: false } as const;
  assert.equal(menubarView(fresh).state, "not_paired");
  const { address, code, remedies } = menubarView(fresh).panel;
  assert.deepEqual([address, code], ["http://127.0.0.1:3100", null]);
  assert.deepEqual(remedies.map(({ id }) => id), ["pair"]);
  const waiting = menubarView({ ...fresh, pairingCode: "123456" }).panel;
  assert.deepEqual([waiting.address, waiting.code], [null, "123456"]);
});

Deno.test("people are called by their names, a group by its own or by some of its people's", () => {
  const names = new Map([["+15550100001", "Ada"], ["bob@example.com", "Bob"]]);
  const titled = (conversation: Partial<Suggestion["conversation"]>) => {
    const suggestion = suggestionWith();
    const changed = { ...suggestion, conversation: { ...suggestion.conversation, ...conversation } };
    const [card] = menubarView({ ...WELL, names, suggestions: [changed] }).panel.cards;
    return [card?.to, card?.said[0]?.from, card?.address];
  };
  const unnamed = { displayName: null, participantIds: ["+15550100001"] };
  assert.deepEqual(titled(unnamed), ["Ada", null, "+15550100001"]);
  assert.deepEqual(titled({ displayName: null, participantIds: ["+15550109999"] })[0], "+15550109999");
  const people = ["+15550100001", "Bob@Example.com", "+15550100003", "+15550100004", "+15550100005"];
  assert.deepEqual(titled({ displayName: null, isGroup: true, participantIds: people }), [
    "Ada, Bob, +15550100003, 2 more",
    "Ada",
    null,
  ]);
  assert.deepEqual(titled({ displayName: "Trip", isGroup: true })[0], "Trip");
});

Deno.test("what was written in a row is shown in that order, above the draft that answers it", () => {
  const suggestion = suggestionWith({ message: "Or Saturday?" });
  const earlier = [{ ...suggestion.message, text: "Dinner on Friday?" }];
  const [card] = menubarView({ ...WELL, suggestions: [{ ...suggestion, earlier }] }).panel.cards;
  assert.deepEqual(card?.said.map(({ text }) => text), ["Dinner on Friday?", "Or Saturday?"]);
});

Deno.test("an own answer that reached nobody stands below what it answered, and says so", () => {
  const suggestion = suggestionWith({ message: "Dinner on Friday?" });
  const failed = [{ ...suggestion.message, direction: "outgoing" as const, failed: true, text: "Gladly!" }];
  const [card] = menubarView({ ...WELL, suggestions: [{ ...suggestion, failed }] }).panel.cards;
  assert.deepEqual(card?.said, [
    { from: null, text: "Dinner on Friday?" },
    { from: "You, not sent", text: "Gladly!" },
  ]);
});

Deno.test("for any facts there is a state with a headline, and a suggestion never hides a trouble", () => {
  const inputs = fc.record({
    phase: fc.constantFrom(...AGENT_PHASES),
    isRunning: fc.boolean(),
    lagRows: fc.option(fc.nat({ max: 1_000_000 })),
    suggestions: fc.nat({ max: 8 }),
    code: fc.option(fc.constantFrom("permission_denied", "locked", "server_unreachable")),
  });
  fc.assert(fc.property(inputs, ({ phase, isRunning, lagRows, suggestions, code }) => {
    const lastError = code === null
      ? null
      : { code, message: "It is so", fix: "Do this", at: WATCHING.since };
    const input: MenubarInput = {
      ...WELL,
      isRunning,
      agent: { ...WATCHING, phase, lagRows, lastError },
      suggestions: Array.from({ length: suggestions }, () => suggestionWith()),
    };
    const view = menubarView(input);
    assert.ok(view.panel.headline.length > 0 && view.tooltip.endsWith(view.panel.headline));
    assert.equal(
      view.state === "suggestion_waiting",
      isRunning && phase === "watching" && suggestions > 0 && !lagRows,
    );
    assert.ok(view.panel.cards.length <= 5);
    assert.equal(actionsOf(view).includes("show_suggestions"), suggestions > 0);
  }));
});

Deno.test("neither the menu nor the tooltip shows what people write, nor their names; the panel does", () => {
  const suggestion = suggestionWith({ to: "Grace", message: "the secret", text: "my answer" });
  const view = menubarView({ ...WELL, suggestions: [suggestion] });
  const shown = JSON.stringify([view.menu, view.tooltip]);
  for (const word of ["Grace", "secret", "answer"]) assert.ok(!shown.includes(word));
  const { to, said, draft, confidence } = view.panel.cards[0] ?? {};
  assert.deepEqual([to, said?.[0]?.text, draft, confidence], ["Grace", "the secret", "my answer", "75 %"]);
});

Deno.test("a duration is shown in the unit that fits it", () => {
  const spans = [
    -5,
    59_999,
    MINUTE_MS,
    59 * MINUTE_MS,
    60 * MINUTE_MS,
    47 * 60 * MINUTE_MS,
    72 * 60 * MINUTE_MS,
  ];
  assert.deepEqual(spans.map(agoText), [
    "just now",
    "just now",
    "1 minute ago",
    "59 minutes ago",
    "1 hour ago",
    "1 day ago",
    "3 days ago",
  ]);
});

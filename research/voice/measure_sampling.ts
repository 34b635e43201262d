/**
 * Chooses temperature and min-p: drafts with the texting adapter, to messages of people whom it has not learned from and
 * who are in no other table, beside what those people answered.
 */
import { writeLine } from "../../lib/log.ts";
import { tableLines } from "../../bench/support/bench_output.ts";
import { meanStyle } from "../style/reply_style.ts";
import { draftAll } from "./voice_drafts.ts";
import { type Detection, voiceMetrics } from "./voice_metrics.ts";
import type { Pool } from "./voice_people.ts";
import { COMPARED } from "./voice_sampling.ts";
import { trainPooled } from "./voice_training.ts";

/** Prints, for each setting, how well drafts are distinguished from replies and how they look. */
export async function measureSampling(pool: Pool): Promise<void> {
  const { adapterPath } = await trainPooled(pool);
  const prompts = pool.heldOut.map(({ input }) => input);
  const real = pool.heldOut.map(({ output }) => output);
  const arms: Record<string, string[]> = {};
  for (const [label, sampling] of Object.entries(COMPARED)) {
    arms[label] = await draftAll(`pool ${label}`, prompts, { sampling, adapterPath });
  }
  const earlier = pool.train.slice(0, real.length).map(({ output }) => output);
  const texts = { id: "pool", real, conversations: pool.writers.map(String), earlier, arms };
  const [metrics] = await voiceMetrics([{
    ...texts,
    earlierConversations: earlier.map((_, index) => `train ${index}`),
  }]);
  const cells = (detection: Detection | undefined) =>
    (["surface", "masked", "all"] as const).map((view) => detection?.[view]?.toFixed(2) ?? "");
  const looks = (replies: readonly string[]) => {
    const { length, bubbles, noCapitals, finalStop } = meanStyle(replies);
    return [length.toFixed(0), bubbles.toFixed(2), noCapitals.toFixed(2), finalStop.toFixed(2)];
  };
  const rows = [
    ...Object.entries(arms).map((
      [label, drafts],
    ) => [label, ...cells(metrics?.arms[label]), ...looks(drafts)]),
    ["what they answered", ...cells(undefined), ...looks(real)],
  ];
  const head = [
    "temperature",
    "AUC, surface",
    "masked",
    "all",
    "characters",
    "bubbles",
    "no capitals",
    "full stop",
  ];
  for (const line of tableLines(head, rows)) writeLine(line);
}

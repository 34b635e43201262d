/**
 * Chooses temperature and min-p: drafts with the texting adapter, to messages of people whom it has not learned from and
 * who are in no other table, beside what those people answered.
 */
import { writeLine } from "../../lib/log.ts";
import { comparedTable } from "./draft_tables.ts";
import { draftAll } from "./voice_drafts.ts";
import { voiceMetrics } from "./voice_metrics.ts";
import type { Pool } from "./voice_people.ts";
import { COMPARED } from "./voice_sampling.ts";
import { textingPath } from "./voice_training.ts";

/** Prints, for each setting, how well drafts are distinguished from replies and how they look. */
export async function measureSampling(pool: Pool): Promise<void> {
  const prompts = pool.heldOut.map(({ input }) => input);
  const real = pool.heldOut.map(({ output }) => output);
  const arms: Record<string, string[]> = {};
  for (const [label, sampling] of Object.entries(COMPARED)) {
    arms[label] = await draftAll(`pool ${label}`, prompts, { sampling, adapter: textingPath });
  }
  const earlier = pool.train.slice(0, real.length).map(({ output }) => output);
  const texts = { id: "pool", real, conversations: pool.writers.map(String), earlier, arms };
  const [metrics] = await voiceMetrics([{
    ...texts,
    earlierConversations: earlier.map((_, index) => `train ${index}`),
  }]);
  for (const line of comparedTable(texts, metrics)) writeLine(line);
}

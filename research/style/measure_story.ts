/** Runs one training through agent, server and ml: messages in, samples, adapter, better drafts. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TrainingJob } from "../../contract/training.ts";
import { readCorpus } from "../../demo/corpus.ts";
import { bubble, heading, line, Stopwatch } from "../../demo/print.ts";
import { buildSampleMac, type SampleMac } from "../../demo/sample_mac.ts";
import { startMl, startServer, syncOnce } from "../../demo/services.ts";
import { keyOfParticipants } from "../../demo/story.ts";
import { SMALL_MODEL } from "../../ml/models/catalog.ts";
import { claimServer, type OwnerClient } from "../../tests/support/server/owner_client.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { DATA_DIR } from "./cached_run.ts";
import { storyContent } from "./story_content.ts";

/** The most casual of the measured people: their habits are seen at a glance. */
const STORY = { person: "272980b1", earlier: 40, waiting: 6 };
const IMPORTED = 200;
const POLL_MS = 2_000;

/** A message that waits for a reply, and the reply that was really sent. */
interface Waiting {
  messageId: string;
  asked: string;
  really: string;
}

async function waitingMessages(owner: OwnerClient, mac: SampleMac): Promise<Waiting[]> {
  const waiting: Waiting[] = [];
  for (const { id, participantIds } of await owner.conversations()) {
    const really = mac.realReplies.get(keyOfParticipants(participantIds));
    const message = really ? (await owner.latestMessages(id, 1))[0] : undefined;
    if (really && message?.direction === "incoming") {
      waiting.push({ messageId: message.id, asked: message.text ?? "", really });
    }
  }
  return waiting;
}

async function draftAll(owner: OwnerClient, waiting: readonly Waiting[]): Promise<string[]> {
  const drafts: string[] = [];
  for (const { messageId } of waiting) drafts.push((await owner.draft(messageId)).response ?? "");
  return drafts;
}

async function untilEnded(owner: OwnerClient, { id }: TrainingJob): Promise<TrainingJob> {
  for (let shown = -1;;) {
    const job = await owner.trainingJob(id);
    const { metrics } = job;
    if (metrics?.epoch !== undefined && metrics.epoch !== null && metrics.epoch !== shown) {
      shown = metrics.epoch;
      line(`  epoch ${shown}: held-out loss ${metrics.heldOutLoss?.toFixed(3) ?? "not measured yet"}`);
    }
    if (["completed", "failed", "cancelled"].includes(job.status)) return job;
    await sleep(POLL_MS);
  }
}

async function train(owner: OwnerClient): Promise<void> {
  const { imported, examined, skipped } = await owner.importSamples(IMPORTED);
  line(`  ${imported} samples of ${examined} replies; skipped: ${JSON.stringify(skipped)}`);
  const started = await owner.startTraining({ baseModel: SMALL_MODEL.id, seed: 1 });
  const { status, error, metrics } = await untilEnded(owner, started);
  const result = metrics?.result;
  if (!result) throw new Error(`The training ended as ${status}: ${error}`);
  line(`  ${JSON.stringify({ ...result, excluded: metrics.excluded })}`);
  await owner.promote(result.adapterId);
}

/** Runs one training from messages to drafts and prints drafts before and after it. */
export async function measureStory(): Promise<void> {
  const watch = new Stopwatch();
  const dir = join(DATA_DIR, "style", "story");
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  const mac = buildSampleMac(join(dir, "mac"), storyContent(await readCorpus(DATA_DIR), STORY));
  await using ml = await startMl(dir, (await fetchSmallModel()).path);
  await using server = await startServer(dir, ml.url);
  const owner = await claimServer(server.url);
  await watch.stage(
    `${mac.messages} messages of ${mac.conversations} conversations synced`,
    () => syncOnce(mac, { serverUrl: server.url, dir, owner }),
  );
  const waiting = await waitingMessages(owner, mac);
  const before = await watch.stage("drafts before training", () => draftAll(owner, waiting));
  await watch.stage("imported, trained and promoted", () => train(owner));
  const after = await watch.stage("drafts after training", () => draftAll(owner, waiting));
  for (const [index, { asked, really }] of waiting.entries()) {
    heading(`message ${index + 1}`);
    bubble("them", asked);
    bubble("before", before[index] ?? "", { colour: "dim" });
    bubble("after", after[index] ?? "", { colour: "green" });
    bubble("really", really, { colour: "blue" });
  }
}

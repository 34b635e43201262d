/** Owns the demo's course: model, sample Mac, services, pairing, sync, drafts, actions, samples. */
import { join, resolve } from "node:path";
import { defaultDataDir } from "../lib/config.ts";
import { ifPresent } from "../lib/files.ts";
import { aborted } from "../lib/async.ts";
import { createLogger } from "../lib/log.ts";
import { DEFAULT_HUB_URL, SMALL_MODEL } from "../ml/models/catalog.ts";
import { type ResolvedModel, resolveModel } from "../ml/models/model_source.ts";
import { placeSmallModel } from "../tests/support/ml/small_model.ts";
import { claimServer } from "../tests/support/server/owner_client.ts";
import { corpusContent } from "./corpus_content.ts";
import { duration, heading, line, paint } from "./print.ts";
import { buildSampleMac, inventedContent } from "./sample_mac.ts";
import { startMl, startServer, syncOnce } from "./services.ts";
import { Stopwatch } from "./stopwatch.ts";
import { showSamples, tellStory } from "./story.ts";

export interface DemoOptions {
  /** Real conversations instead of invented ones. */
  corpus: boolean;
  /** End when the story is told. */
  exit: boolean;
}

interface Folders {
  /** Models and corpus: kept from one demo to the next. */
  data: string;
  /** Everything of this demo: made anew each time. */
  demo: string;
}

async function prepareFolders(): Promise<Folders> {
  const data = resolve(Deno.env.get("DATA_DIR") || defaultDataDir());
  const demo = join(data, "demo");
  await ifPresent(Deno.remove(demo, { recursive: true }));
  await Deno.mkdir(demo, { recursive: true });
  return { data, demo };
}

/** The model that `MODEL` names, else the small one, in the folder where ml looks for it too. */
async function findModel(dataDir: string, signal: AbortSignal): Promise<ResolvedModel> {
  const model = Deno.env.get("MODEL") || SMALL_MODEL.id;
  const options = {
    modelsDir: Deno.env.get("MODELS_DIR") || join(dataDir, "models"),
    hubUrl: Deno.env.get("HF_ENDPOINT") || DEFAULT_HUB_URL,
    log: createLogger(),
    signal,
  };
  return await (model === SMALL_MODEL.id ? placeSmallModel(options) : resolveModel({ ...options, model }));
}

/** Tells the whole story once; then stays up until the signal comes, unless it was asked to end. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const watch = new Stopwatch();
  const folders = await prepareFolders();
  const model = await findModel(folders.data, signal);
  line(`Model: ${paint("bold", model.id)} (${model.why})`);
  const mac = await watch.stage("a sample Mac: chat.db in WAL mode and an address book", async () => {
    const content = options.corpus ? await corpusContent(folders.data) : inventedContent(new Date());
    return buildSampleMac(join(folders.demo, "mac"), content);
  });
  await using ml = await watch.stage("ml: the model is loaded", () => startMl(folders.demo, model.path));
  await using server = await watch.stage(
    "server: embedded PostgreSQL is up",
    () => startServer(folders.demo, ml.url),
  );
  const owner = await claimServer(server.url);
  await watch.stage(
    `agent: paired, ${mac.messages} messages of ${mac.conversations} conversations synced`,
    () => syncOnce(mac, { serverUrl: server.url, dir: folders.demo, owner }),
  );
  const drafts = await watch.stage(
    "drafts and actions",
    () => tellStory(owner, { realReplies: mac.realReplies, showRealReplies: options.corpus }),
  );
  await showSamples(owner);
  line(`${drafts.length} drafts by ${model.id}; all of it took ${duration(watch.totalMs)}.`);
  heading("Running");
  line(`  server   ${server.url}   API: ${server.url}/docs`);
  line(`  ml       ${ml.url}   API: ${ml.url}/docs`);
  line(`  data     ${folders.demo}`);
  if (options.exit) return;
  line("\nCtrl-C ends both.");
  await Promise.race([aborted(signal), ml.ended, server.ended]);
}

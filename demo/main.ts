/** Runs the demo: the whole loop, from a Messages database to training samples, on this machine. */
import { join, resolve } from "node:path";
import { aborted } from "../lib/async.ts";
import { defaultDataDir } from "../lib/config.ts";
import { UserError } from "../lib/errors.ts";
import { ifPresent, lockFile } from "../lib/files.ts";
import { runMain } from "../lib/lifecycle.ts";
import { createLogger, writeLine } from "../lib/log.ts";
import { DEFAULT_HUB_URL, SMALL_MODEL } from "../ml/models/catalog.ts";
import { type ResolvedModel, resolveModel } from "../ml/models/model_source.ts";
import { placeSmallModel } from "../tests/support/ml/small_model.ts";
import { claimServer } from "../tests/support/server/owner_client.ts";
import { corpusContent } from "./corpus.ts";
import { type DemoOptions, demoOptionsOf, USAGE } from "./options.ts";
import { duration, heading, line, paint, Stopwatch } from "./print.ts";
import { buildSampleMac, inventedContent } from "./sample_mac.ts";
import { startMl, startServer, syncOnce } from "./services.ts";
import { showSamples, tellStory } from "./story.ts";
import { showTraining } from "./training/training.ts";

interface Folders {
  /** Models and corpus, shared by all demos. */
  data: string;
  /** Everything else, recreated for each demo. */
  demo: string;
}

/** Demos that may run at a time. */
const MAX_DEMOS = 10;

/** The folders of this demo; one that runs beside others has its own. Disposing them lets the next demo have it. */
async function prepareFolders(): Promise<Folders & Disposable> {
  const data = resolve(Deno.env.get("DATA_DIR") || defaultDataDir());
  await Deno.mkdir(data, { recursive: true });
  for (let number = 1; number <= MAX_DEMOS; number++) {
    const demo = join(data, number === 1 ? "demo" : `demo-${number}`);
    // Beside the folder, which is removed.
    const lock = await lockFile(`${demo}.lock`, { message: "Another demo runs here" }).catch((error) => {
      if (error instanceof UserError) return null;
      throw error;
    });
    if (lock === null) continue;
    await ifPresent(Deno.remove(demo, { recursive: true }));
    await Deno.mkdir(demo);
    if (number > 1) line(`Another demo runs already: this one has its own ports, and its folder is ${demo}.`);
    return { data, demo, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  }
  throw new UserError(`${MAX_DEMOS} demos run already`, { fix: "End one of them with Ctrl-C" });
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

/** Runs the whole loop once; then keeps the services running until the signal, unless asked to end. */
async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const watch = new Stopwatch();
  using folders = await prepareFolders();
  const model = await findModel(folders.data, signal);
  line(`Model: ${paint("bold", model.id)} (${model.why})`);
  const mac = await watch.stage("sample Mac: chat.db in WAL mode and an address book", async () => {
    const content = options.corpus ? await corpusContent(folders.data) : inventedContent(new Date());
    return buildSampleMac(join(folders.demo, "mac"), content);
  });
  await using ml = await watch.stage("ml: model loaded", () => startMl(folders.demo, model.path));
  await using server = await watch.stage(
    "server: embedded PostgreSQL started",
    () => startServer(folders.demo, ml.url),
  );
  const owner = await claimServer(server.url);
  await watch.stage(
    `agent: paired, ${mac.messages} messages in ${mac.conversations} conversations synced`,
    () => syncOnce(mac, { serverUrl: server.url, dir: folders.demo, owner }),
  );
  const drafts = await watch.stage(
    "drafts and actions",
    () => tellStory(owner, { realReplies: mac.realReplies, showRealReplies: options.corpus }),
  );
  await showSamples(owner);
  const limitMs = options.trainingMinutes * 60_000;
  if (limitMs > 0) await watch.stage("training", () => showTraining(owner, { limitMs, signal, drafts }));
  line(`${drafts.length} drafts by ${model.id}; ${duration(watch.totalMs)} in total.`);
  heading("Running");
  line(`  server   ${server.url}   API: ${server.url}/docs`);
  line(`  ml       ${ml.url}   API: ${ml.url}/docs`);
  line(`  data     ${folders.demo}`);
  if (options.exit) return;
  line("\nPress Ctrl-C to stop both.");
  await Promise.race([aborted(signal), ml.ended, server.ended]);
}

await runMain(async (signal) => {
  if (Deno.args.includes("--help")) return writeLine(USAGE);
  await runDemo(demoOptionsOf(Deno.args), signal);
});

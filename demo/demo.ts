/** Owns the demo's course: model, sample Mac, services, pairing, sync, drafts, actions, samples. */
import { join, resolve } from "node:path";
import { defaultDataDir } from "../lib/data_dir.ts";
import { aborted, StartError } from "../lib/lifecycle.ts";
import { createLogger } from "../lib/log.ts";
import { DEFAULT_HUB_URL, SMALL_MODEL } from "../ml/models/catalog.ts";
import { resolveModel } from "../ml/models/resolve_model.ts";
import { pairAgent, runAgent } from "../tests/support/agent_process.ts";
import { claimServer, type OwnerClient } from "../tests/support/owner_client.ts";
import { choosePort, ServiceProcess } from "../tools/service_process.ts";
import { corpusContent } from "./corpus_content.ts";
import { duration, heading, line, paint } from "./print.ts";
import { buildSampleMac, inventedContent, type SampleMac } from "./sample_mac.ts";
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
  await Deno.remove(demo, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(demo, { recursive: true });
  return { data, demo };
}

async function startMl(folders: Folders, modelPath: string): Promise<ServiceProcess> {
  const port = choosePort(8100);
  return await ServiceProcess.start({
    name: "ml",
    url: `http://127.0.0.1:${port}`,
    env: {
      ML_HOST: "127.0.0.1",
      ML_PORT: String(port),
      DATA_DIR: join(folders.demo, "ml"),
      MODEL: modelPath,
    },
    output: { file: join(folders.demo, "ml.log") },
    isReady: (health) => {
      if (health.status === "degraded") {
        throw new StartError(`ml cannot load its model: ${health.reason}`);
      }
      return health.model_loaded === true;
    },
  });
}

async function startServer(folders: Folders, mlUrl: string): Promise<ServiceProcess> {
  const port = choosePort(3100);
  return await ServiceProcess.start({
    name: "server",
    url: `http://127.0.0.1:${port}`,
    env: {
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: String(port),
      DATA_DIR: join(folders.demo, "server"),
      DATABASE_URL: "",
      ML_URL: mlUrl,
      PAIRING: "approve",
    },
    output: { file: join(folders.demo, "server.log") },
  });
}

async function syncOnce(
  mac: SampleMac,
  options: { serverUrl: string; dir: string; owner: OwnerClient },
): Promise<void> {
  const env = {
    AGENT_SERVER_URL: options.serverUrl,
    AGENT_DATA_DIR: join(options.dir, "agent"),
    AGENT_CHAT_DB: mac.chatDbPath,
    AGENT_ADDRESS_BOOK: mac.addressBookPath,
  };
  await pairAgent((code) => options.owner.approve(code), { env });
  const { code, stdout, stderr } = await runAgent(["sync", "--once"], { env });
  if (code !== 0) throw new StartError(`The agent could not sync: ${stderr || stdout}`);
  for (const said of stdout.trim().split("\n")) line(paint("dim", `  agent: ${said}`));
}

/** Tells the whole story once; then stays up until the signal comes, unless it was asked to end. */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const watch = new Stopwatch();
  const folders = await prepareFolders();
  const model = await resolveModel({
    model: Deno.env.get("MODEL") || SMALL_MODEL.id,
    modelsDir: Deno.env.get("MODELS_DIR") || join(folders.data, "models"),
    hubUrl: Deno.env.get("HF_ENDPOINT") || DEFAULT_HUB_URL,
    log: createLogger(),
    signal,
  });
  line(`Model: ${paint("bold", model.id)} (${model.why})`);
  const mac = await watch.stage("a sample Mac: chat.db in WAL mode and an address book", async () => {
    const content = options.corpus ? await corpusContent(folders.data) : inventedContent(new Date());
    return buildSampleMac(join(folders.demo, "mac"), content);
  });
  await using ml = await watch.stage("ml: the model is loaded", () => startMl(folders, model.path));
  await using server = await watch.stage(
    "server: embedded PostgreSQL is up",
    () => startServer(folders, ml.url),
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

/** Starts ml and the server for a demo and syncs a sample Mac's messages to them. */
import { join } from "node:path";
import { UserError } from "../lib/errors.ts";
import { pairAgent, runAgent } from "../tests/support/mac/agent_process.ts";
import type { OwnerClient } from "../tests/support/server/owner_client.ts";
import { startOnFreePort } from "../tools/free_port.ts";
import { ServiceProcess } from "../tools/service_process.ts";
import { line, paint } from "./print.ts";
import type { SampleMac } from "./sample_mac.ts";

/**
 * Starts ml on a model, its data under a folder, and waits until the model is loaded.
 *
 * @param settings further environment variables
 */
export async function startMl(
  dir: string,
  modelPath: string,
  settings: Record<string, string> = {},
): Promise<ServiceProcess> {
  return await startOnFreePort(8100, (port) =>
    ServiceProcess.start({
      name: "ml",
      url: `http://127.0.0.1:${port}`,
      env: {
        ML_HOST: "127.0.0.1",
        ML_PORT: String(port),
        DATA_DIR: join(dir, "ml"),
        MODEL: modelPath,
        ...settings,
      },
      output: { file: join(dir, "ml.log") },
      isReady: (health) => {
        if (health.status === "degraded") {
          throw new UserError(`ml cannot load its model: ${health.reason}`);
        }
        return health.model_loaded === true;
      },
    }));
}

/** Starts the server on embedded PostgreSQL, its data under a folder. */
export async function startServer(dir: string, mlUrl: string): Promise<ServiceProcess> {
  return await startOnFreePort(3100, (port) =>
    ServiceProcess.start({
      name: "server",
      url: `http://127.0.0.1:${port}`,
      env: {
        SERVER_HOST: "127.0.0.1",
        SERVER_PORT: String(port),
        DATA_DIR: join(dir, "server"),
        DATABASE_URL: "",
        ML_URL: mlUrl,
        PAIRING: "approve",
      },
      output: { file: join(dir, "server.log") },
    }));
}

/** Pairs the agent of a sample Mac through its owner's device and sends everything once. */
export async function syncOnce(
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
  if (code !== 0) throw new UserError(`The agent could not sync: ${stderr || stdout}`);
  for (const said of stdout.trim().split("\n")) line(paint("dim", `  agent: ${said}`));
}

/** Starts server and ml for the fuzzer: an account with a history, two devices, training samples, and work under way. */
import { z } from "zod";
import {
  deviceResponseSchema,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { importSamplesResponseSchema } from "../../../contract/training.ts";
import { type Client, createClient } from "../../../lib/http/client.ts";
import { startServices } from "../server/running_services.ts";
import { JOHN, syncBatch, syncMessage } from "../server/sync_batches.ts";
import { type KnownIds, startMlWork, startServerWork } from "./running_work.ts";

/** One service as the fuzzer reaches it. */
export interface FuzzedService {
  readonly name: "server" | "ml";
  readonly url: string;
  readonly token: string;
  /** Of what exists, so that half of the requests reach it. */
  readonly ids: KnownIds;
}

export interface FuzzedServices extends AsyncDisposable {
  readonly services: readonly FuzzedService[];
  /** The device whose token is used; deactivating it would end the run with nothing but 401. */
  readonly ownDeviceId: string;
  readonly otherDeviceId: string;
}

const CONVERSATIONS = 12;
const SOON_AFTER = "2024-01-01T12:01:00Z";

async function register(client: Client) {
  return await client.request("POST", SERVER_PATHS.registerDevice, {
    body: { name: "Fuzzer", hardwareId: crypto.randomUUID(), platform: "other", osVersion: "1" },
    schema: registerDeviceResponseSchema,
  });
}

async function verify(client: Client, body: { deviceId: string; code: string }): Promise<string> {
  const schema = verifyDeviceResponseSchema;
  return (await client.request("POST", SERVER_PATHS.verifyDevice, { body, schema })).token;
}

async function fillAccount(client: Client): Promise<void> {
  for (let index = 0; index < CONVERSATIONS; index++) {
    const reply = { senderId: null, direction: "outgoing", sentAt: SOON_AFTER } as const;
    const messages = [
      syncMessage({ senderId: JOHN, text: `are you in for plan ${index}?` }),
      syncMessage({ ...reply, text: `yes plan ${index} ok` }),
    ];
    const body = syncBatch(messages, { conversationImessageId: `chat-${index}` });
    await client.request("POST", SERVER_PATHS.syncMessages, { body, schema: z.unknown() });
  }
  const schema = importSamplesResponseSchema;
  await client.request("POST", SERVER_PATHS.importTrainingSamples, { body: {}, schema });
}

/** Starts both services on free ports and fills the account of the device whose token is handed out. */
export async function startFuzzedServices(): Promise<FuzzedServices> {
  await using stack = new AsyncDisposableStack();
  const mlToken = crypto.randomUUID();
  const running = stack.use(await startServices({ env: { ML_TOKEN: mlToken } }));
  const anonymous = createClient({ baseUrl: running.server.url });
  const own = await register(anonymous);
  const token = await verify(anonymous, own);
  const client = createClient({ baseUrl: running.server.url, token: () => token });
  const other = await register(anonymous);
  await client.request("POST", SERVER_PATHS.linkDevice, {
    body: { code: other.code },
    schema: deviceResponseSchema,
  });
  await verify(anonymous, other);
  await fillAccount(client);
  const work = await startServerWork(client);
  const mlClient = createClient({ baseUrl: running.ml.url, token: () => mlToken });
  const mlIds = await startMlWork(mlClient, work.adapterId);
  const owned = stack.move();
  return {
    services: [
      { name: "server", url: running.server.url, token, ids: work.ids },
      { name: "ml", url: running.ml.url, token: mlToken, ids: mlIds },
    ],
    ownDeviceId: own.deviceId,
    otherDeviceId: other.deviceId,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The load of the soak: generations at a constant concurrency, and syncs at a constant rate. */
import { ML_PATHS, SERVER_PATHS } from "../../../contract/paths.ts";
import { syncStatusResponseSchema } from "../../../contract/sync.ts";
import { delay } from "../../../lib/backoff.ts";
import { createClient } from "../../../lib/http/client.ts";
import { syncBatch, syncMessage } from "../server/sync_batches.ts";

/** How often each answer came, by its status; `no answer` is a broken connection or one that took too long. */
export type StatusCounts = Record<string, number>;

/** The device and account that syncs, and where. */
export interface SyncingDevice {
  readonly url: string;
  readonly token: string;
  readonly name: string;
}

const REQUEST_DEADLINE_MS = 60_000;
const REFUSED_PAUSE_MS = 200;
const GENERATED_TOKENS = 24;
/** Conversations whose prefixes ml may keep, and those of each device. */
const CONVERSATIONS = 40;
export const BATCH_MESSAGES = 5;

async function post(url: string, { token, body }: { token?: string; body: unknown }): Promise<string> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    });
    await response.arrayBuffer();
    return `${response.status}`;
  } catch {
    return "no answer";
  }
}

function count(counts: StatusCounts, status: string): void {
  counts[status] = (counts[status] ?? 0) + 1;
}

function chosen(below: number): number {
  return Math.floor(Math.random() * below);
}

/** Generates one reply after the other until the signal; each prompt is new, so no answer comes from a cache. */
export async function generateUntil(signal: AbortSignal, mlUrl: string, counts: StatusCounts): Promise<void> {
  while (!signal.aborted) {
    const prompt = `Them: ${crypto.randomUUID()}\nMe: I see\nThem: And ${crypto.randomUUID()}?\nMe:`;
    const conversation = `conversation-${chosen(CONVERSATIONS)}`;
    const body = { prompt, max_tokens: GENERATED_TOKENS, conversation_id: conversation };
    const status = await post(mlUrl + ML_PATHS.generate, { body });
    count(counts, status);
    // A service that refuses or is gone is not asked in a tight loop.
    if (status !== "200") await delay(REFUSED_PAUSE_MS);
  }
}

/** Sends a batch of new messages each `periodMs` until the signal; one that is late is followed at once. */
export async function syncUntil(
  signal: AbortSignal,
  device: SyncingDevice,
  { periodMs, counts }: { periodMs: number; counts: StatusCounts },
): Promise<void> {
  const startedMs = performance.now() + Math.random() * periodMs;
  for (let sent = 0; !signal.aborted; sent++) {
    await delay(Math.max(0, startedMs + sent * periodMs - performance.now()));
    const messages = Array.from({ length: BATCH_MESSAGES }, () => syncMessage());
    const conversationImessageId = `any;-;${device.name}-${chosen(CONVERSATIONS)}`;
    const body = syncBatch(messages, { conversationImessageId });
    count(counts, await post(device.url + SERVER_PATHS.syncMessages, { token: device.token, body }));
  }
}

/** The messages that the server has of this device's account. */
export async function storedMessages({ url, token }: SyncingDevice): Promise<number> {
  const client = createClient({ baseUrl: url, token: () => token });
  return (await client.request("GET", SERVER_PATHS.syncStatus, { schema: syncStatusResponseSchema }))
    .messages;
}

/** The part of the abuse that sends many batches at once, whose devices partly send the same messages. */
import {
  deviceResponseSchema,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../../contract/devices.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { delay } from "../../../lib/backoff.ts";
import { createClient } from "../../../lib/http/client.ts";
import { REGISTRATION } from "../server/server_app.ts";
import { type MessageInput, syncBatch, syncMessage } from "../server/sync_batches.ts";
import type { AbuseReport } from "./abuse_report.ts";
import { type AbusedServer, faultsOf, startAbusedServer } from "./abused_service.ts";

const ACCOUNTS = 5;
const DEVICES_OF_EACH = 10;
const BATCHES_OF_EACH = 4;
const OWN_MESSAGES = 150;
/** Of each batch; all devices of an account send them, each in its own order. */
const SHARED_MESSAGES = 50;
const REQUEST_DEADLINE_MS = 30_000;
const MAX_PAUSE_MS = 2_000;
const MAX_TRIES = 30;

/** A batch and how its device sends it. */
interface Upload {
  readonly url: string;
  readonly token: string;
  readonly account: number;
  readonly messages: readonly MessageInput[];
  readonly body: string;
}

interface Outcome {
  readonly answers: Record<string, number>;
  /** Guids that were acknowledged, each with the number of its account. */
  readonly acknowledged: Set<string>;
  withoutRetryAfter: number;
}

/** Pairs a device; with its owner's token it joins that account, else it gets one of its own. */
async function pair(url: string, owner?: string): Promise<string> {
  const anonymous = createClient({ baseUrl: url });
  const { deviceId, code } = await anonymous.request("POST", SERVER_PATHS.registerDevice, {
    body: REGISTRATION,
    schema: registerDeviceResponseSchema,
  });
  if (owner !== undefined) {
    const client = createClient({ baseUrl: url, token: () => owner });
    await client.request("POST", SERVER_PATHS.linkDevice, { body: { code }, schema: deviceResponseSchema });
  }
  const body = { deviceId, code };
  const schema = verifyDeviceResponseSchema;
  return (await anonymous.request("POST", SERVER_PATHS.verifyDevice, { body, schema })).token;
}

function shuffled<T>(values: readonly T[]): T[] {
  return values.map((value) => ({ value, key: Math.random() })).toSorted((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

/** The batches of an account's devices. */
async function uploadsOf(url: string, account: number): Promise<Upload[]> {
  const owner = await pair(url);
  const tokens = [owner];
  while (tokens.length < DEVICES_OF_EACH) tokens.push(await pair(url, owner));
  const shared = Array.from({ length: BATCHES_OF_EACH }, () => messages(SHARED_MESSAGES));
  return tokens.flatMap((token) =>
    shared.map((common) => {
      const all = shuffled([...common, ...messages(OWN_MESSAGES)]);
      return { url, token, account, messages: all, body: JSON.stringify(syncBatch(all)) };
    })
  );
}

function messages(count: number): MessageInput[] {
  return Array.from({ length: count }, () => syncMessage({ text: "Hello! ".repeat(20) }));
}

/** Sends a batch until it is acknowledged or refused for good, waiting as long as the server asks, at most 2 s. */
async function send(upload: Upload, outcome: Outcome): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const response = await fetch(upload.url + SERVER_PATHS.syncMessages, {
      method: "POST",
      headers: { "authorization": `Bearer ${upload.token}`, "content-type": "application/json" },
      body: upload.body,
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    }).catch(() => null);
    await response?.body?.cancel();
    const status = `${response?.status ?? "no answer"}`;
    outcome.answers[status] = (outcome.answers[status] ?? 0) + 1;
    if (status === "200") {
      for (const { imessageGuid } of upload.messages) {
        outcome.acknowledged.add(`${upload.account} ${imessageGuid}`);
      }
    }
    if (status !== "503" && status !== "no answer") return;
    const retryAfter = response?.headers.get("retry-after");
    if (status === "503" && !retryAfter) outcome.withoutRetryAfter++;
    await delay(Math.min(Number(retryAfter ?? 1) * 1_000, MAX_PAUSE_MS));
  }
}

async function countStored({ database }: AbusedServer): Promise<number> {
  const [row] = await database.database.sql<{ count: number }>`select count(*)::int as count from messages`;
  return row?.count ?? 0;
}

/** 200 batches from 50 devices of five accounts at once: the answers, and whether what was acknowledged is stored. */
export async function batchesPart(): Promise<AbuseReport> {
  await using abused = await startAbusedServer();
  const url = abused.service.url;
  const uploads: Upload[] = [];
  for (let account = 0; account < ACCOUNTS; account++) uploads.push(...await uploadsOf(url, account));
  const outcome: Outcome = { answers: {}, acknowledged: new Set(), withoutRetryAfter: 0 };
  await Promise.all(shuffled(uploads).map((upload) => send(upload, outcome)));
  const stored = await countStored(abused);
  const acknowledged = outcome.acknowledged.size;
  const planned = new Set(
    uploads.flatMap(({ account, messages }) =>
      messages.map((message) => `${account} ${message.imessageGuid}`)
    ),
  ).size;
  const { answers, withoutRetryAfter } = outcome;
  const refused = Object.entries(answers).filter(([status]) => status !== "200" && status !== "503");
  const faults = [
    ...refused.map(([status, times]) => `${status}: ${times} times`),
    ...withoutRetryAfter > 0 ? [`503 without Retry-After: ${withoutRetryAfter} times`] : [],
    ...stored === acknowledged ? [] : [`${acknowledged} messages were acknowledged, ${stored} are stored`],
    ...acknowledged === planned ? [] : [`${planned - acknowledged} messages were never accepted`],
  ];
  return {
    figures: { batches: uploads.length, ...answers, acknowledged, stored },
    faults: await faultsOf(abused, faults),
  };
}

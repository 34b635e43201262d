/** Builds what stores take in tests: devices, batches and drafts. */
import assert from "node:assert/strict";
import type { SyncMessage, SyncMessagesRequest } from "../../../contract/sync.ts";
import type { BatchOrigin } from "../../../server/store/messages/ingest_statements.ts";
import type { DeviceRegistration } from "../../../server/store/devices/device_registration.ts";
import type { Device, DraftResponse, TrainingSample } from "../../../server/store/schema.ts";
import type { Stores } from "../../../server/store/store.ts";

/** The time that device tests begin at; they move on by passing later ones. */
export const START = new Date("2026-01-01T00:00:00.000Z");
const CODE_LIFE_MS = 10 * 60_000;

/** `START` and some minutes. */
export function minutesOn(minutes: number): Date {
  return new Date(START.getTime() + minutes * 60_000);
}

/** An address nobody else uses. */
export function newAddress(): string {
  return `test-${crypto.randomUUID()}`;
}

/** A registration with a code and an address of its own. */
export function registration(changes: Partial<DeviceRegistration> = {}): DeviceRegistration {
  const now = changes.now ?? START;
  return {
    name: "MacBook Pro",
    hardwareId: "ABC123-DEF456",
    platform: "macos",
    osVersion: "14.0",
    scope: "full",
    joins: false,
    address: newAddress(),
    codeHash: crypto.randomUUID(),
    expiresAt: new Date(now.getTime() + CODE_LIFE_MS),
    now,
    ...changes,
  };
}

/** Registers a device; the code's hash comes with it. */
export async function registered(
  { devices }: Stores,
  changes: Partial<DeviceRegistration> = {},
): Promise<{ device: Device; codeHash: string }> {
  const asked = registration(changes);
  const result = await devices.register(asked);
  assert.equal(result.outcome, "registered");
  return { device: result.device, codeHash: asked.codeHash };
}

/** A verified device with an account of its own. */
export async function paired(stores: Stores): Promise<BatchOrigin & { tokenId: string }> {
  const { device, codeHash } = await registered(stores);
  const tokenId = crypto.randomUUID();
  const result = await stores.devices.verify({
    deviceId: device.id,
    codeHash,
    address: newAddress(),
    tokenId,
    pairing: "open",
    setupCode: "absent",
    isNetworked: false,
    isLocal: true,
    now: START,
  });
  assert.equal(result.outcome, "verified");
  return { accountId: result.device.accountId, deviceId: device.id, tokenId };
}

/** An incoming message; `minute` orders it. */
export function message(
  imessageGuid: string,
  changes: Partial<SyncMessage> & { minute?: number } = {},
): SyncMessage {
  const { minute = 0, ...fields } = changes;
  return {
    imessageGuid,
    senderId: "+15551234567",
    direction: "incoming",
    messageType: "text",
    text: `Text of ${imessageGuid}`,
    sentAt: minutesOn(minute).toISOString(),
    ...fields,
  };
}

/** A batch of one conversation. */
export function batch(
  messages: SyncMessage[],
  changes: Partial<SyncMessagesRequest> = {},
): SyncMessagesRequest {
  return {
    conversationImessageId: "iMessage;-;+15551234567",
    conversationDisplayName: "John Doe",
    isGroup: false,
    participantIds: ["+15551234567"],
    messages,
    ...changes,
  };
}

/** A completed draft for a new message, in a conversation of its own. */
export async function completedDraft(stores: Stores, origin: BatchOrigin): Promise<DraftResponse> {
  const guid = crypto.randomUUID();
  const sent = batch([message(guid)], { conversationImessageId: `chat-${guid}` });
  const { conversationId } = await stores.ingest.ingestMessages(origin, sent);
  const latest = await stores.conversations.latestIncoming(origin.accountId, conversationId);
  assert(latest);
  const { accountId, deviceId } = origin;
  const draft = await stores.responses.create({
    accountId,
    deviceId,
    messageId: latest.id,
    sourceMessageIds: [latest.id],
    prompt: "Them: Hello!\nMe:",
    status: "generating",
  });
  assert(draft);
  const completion = { response: "Hi!", confidence: 0.5, modelVersion: "test-model", tokensUsed: 3 };
  const completed = await stores.responses.complete(accountId, { responseId: draft.id, completion });
  assert(completed);
  return completed;
}

/** The sample of an accepted draft, in a conversation of its own. */
export async function acceptedSample(
  stores: Stores,
  origin: BatchOrigin,
  { quality = 1 }: { quality?: number } = {},
): Promise<TrainingSample> {
  const { id: responseId } = await completedDraft(stores, origin);
  const result = await stores.responses.recordAction(origin.accountId, {
    responseId,
    action: "accept",
    sample: { input: "Them: Hello!\nMe:", output: "Hi!", quality },
  });
  assert(result.outcome === "recorded" && result.sample);
  return result.sample;
}

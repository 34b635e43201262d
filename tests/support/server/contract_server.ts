/** A small HTTP server that speaks the agent's part of the contract strictly and fails in every way that a test sets. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Device,
  linkDeviceRequestSchema,
  type RegisterDeviceRequest,
  registerDeviceRequestSchema,
  verifyDeviceRequestSchema,
} from "../../../contract/devices.ts";
import type { ErrorCode, Fault } from "../../../contract/errors.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import {
  MAX_SYNC_BODY_BYTES,
  type SyncContact,
  syncContactsRequestSchema,
  syncDeletionsRequestSchema,
  syncHeartbeatRequestSchema,
  type SyncMessage,
  type SyncMessagesRequest,
  syncMessagesRequestSchema,
} from "../../../contract/sync.ts";
import { ApiError, errorBodyOf } from "../../../lib/errors.ts";

/** A request as the server saw it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  /** Unpacked. */
  readonly sizeBytes: number;
  /** True for a body that came as gzip. */
  readonly isPacked: boolean;
}

/**
 * What to do instead of answering: answer an error, close the connection before the request counts, or close it
 * after the request was carried out, so that only the answer is lost.
 */
export type Misbehaviour =
  | { readonly status: ErrorCode; readonly details?: Fault[]; readonly retryAfterSeconds?: number }
  | "hang_up"
  | "hang_up_after_storing";

/** Decides about each request before it is carried out; awaited, so that a test can hold a request. */
export type Interference = (request: SeenRequest) => Misbehaviour | null | Promise<Misbehaviour | null>;

export interface StoredConversation {
  readonly displayName: string | null;
  readonly isGroup: boolean;
  readonly participantIds: readonly string[];
  /** In the order of their first arrival. */
  readonly guids: string[];
}

export interface StoredMessage {
  readonly conversation: string;
  readonly message: SyncMessage;
}

/** What one account holds. */
export interface StoredAccount {
  /** By `conversationImessageId`. */
  readonly conversations: Map<string, StoredConversation>;
  /** By `imessageGuid`. */
  readonly messages: Map<string, StoredMessage>;
  /** By the contact's own identifiers. */
  readonly contacts: Map<string, SyncContact>;
  inserted: number;
  updated: number;
  unchanged: number;
  deleted: number;
  /** What the last heartbeat or batch said that waits; null before the first. */
  lagRows: number | null;
}

interface DeviceEntry {
  device: Device;
  code: string | null;
  account: string | null;
  token: string | null;
  joins: boolean;
}

interface Answer {
  status: number;
  body: unknown;
}

const TOKEN_LIFETIME_MS = 7 * 24 * 60 * 60 * 1_000;
const CODE_LIFETIME_MS = 10 * 60 * 1_000;

function parsed<Output>(
  schema: { safeParse(body: unknown): { success: boolean; data?: Output; error?: { issues: Issue[] } } },
  body: unknown,
): Output {
  const result = schema.safeParse(body);
  if (result.success) return result.data as Output;
  const details = result.error?.issues.map(({ path, message }) => ({ path: path.join("."), message })) ?? [];
  throw new ApiError("validation_failed", "The request does not have the documented shape", { details });
}

interface Issue {
  path: PropertyKey[];
  message: string;
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const body = await rawBodyOf(request);
  if (request.headers["content-encoding"] !== "gzip") return body;
  const plain = new Blob([body]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(plain).bytes();
}

async function rawBodyOf(request: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The server. Its state outlives `stop`, so a test can let it die and come back. */
export class ContractServer implements AsyncDisposable {
  /** `approve`: a device that nobody linked gets 403 from verify. */
  pairing: "open" | "approve" = "open";
  maxBodyBytes = MAX_SYNC_BODY_BYTES;
  /** Requests as they arrived, those that were refused among them. */
  readonly requests: SeenRequest[] = [];
  readonly accounts = new Map<string, StoredAccount>();
  interfere: Interference = () => null;
  /** How far this machine's clock is ahead of the agent's. */
  clockAheadMs = 0;

  readonly #devices = new Map<string, DeviceEntry>();
  #http: ReturnType<typeof createServer> | null = null;
  #port = 0;

  static async start(): Promise<ContractServer> {
    const server = new ContractServer();
    await server.listen();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The account of the only, or the last, device that paired. */
  get account(): StoredAccount {
    const account = [...this.accounts.values()].at(-1);
    if (account === undefined) throw new Error("No device has paired with the contract server");
    return account;
  }

  get devices(): Device[] {
    return [...this.#devices.values()].map(({ device }) => device);
  }

  /** Listens, the second time on the same port. */
  async listen(): Promise<void> {
    const http = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => http.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (http.address() as AddressInfo).port;
    this.#http = http;
  }

  /** Dies: every connection breaks, nobody listens any more. */
  async stop(): Promise<void> {
    const http = this.#http;
    if (http === null) return;
    this.#http = null;
    await new Promise<void>((resolve) => {
      http.close(() => resolve());
      http.closeAllConnections();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Vouches for a code, as the server's own command line does. */
  approve(code: string): void {
    this.#link(code, [...this.accounts.keys()][0] ?? crypto.randomUUID());
  }

  /** Knows a device that was paired with another server, under its own token; its account is empty. */
  adopt({ deviceId, token }: { deviceId: string; token: string }): void {
    const device = { name: "Mac", platform: "macos", osVersion: "26.0", hardwareId: deviceId } as const;
    const { code } = this.#register(device, deviceId);
    this.#verify(deviceId, code);
    const entry = this.#devices.get(deviceId);
    if (entry !== undefined) entry.token = token;
  }

  /** Requests of the sync itself, in the order they arrived. */
  get syncRequests(): SeenRequest[] {
    return this.requests.filter(({ path }) => path.startsWith("/api/sync/"));
  }

  /** No token is known any more, as after seven days. */
  expireTokens(): void {
    for (const entry of this.#devices.values()) entry.token = null;
  }

  deactivateAll(): void {
    for (const entry of this.#devices.values()) entry.device = { ...entry.device, status: "deactivated" };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const bytes = await bodyOf(request);
      const seen: SeenRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        body: bytes.length === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes)),
        sizeBytes: bytes.length,
        isPacked: request.headers["content-encoding"] === "gzip",
      };
      this.requests.push(seen);
      await this.#reply(seen, request, response);
    } catch (error) {
      // The agent was killed: there is nobody to answer.
      if (!response.destroyed) this.#send(response, this.#failure(error));
    }
  }

  async #reply(seen: SeenRequest, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const misbehaviour = await this.interfere(seen);
    if (misbehaviour === "hang_up") return void request.socket.destroy();
    if (misbehaviour === "hang_up_after_storing") {
      this.#answer(seen, request);
      return void request.socket.destroy();
    }
    if (misbehaviour === null) return this.#send(response, this.#answer(seen, request));
    const { status, details, retryAfterSeconds } = misbehaviour;
    if (retryAfterSeconds !== undefined) response.setHeader("retry-after", String(retryAfterSeconds));
    this.#send(
      response,
      this.#failure(new ApiError(status, "The test makes this request fail", { details })),
    );
  }

  #send(response: ServerResponse, { status, body }: Answer): void {
    const date = new Date(Date.now() + this.clockAheadMs).toUTCString();
    response.writeHead(status, { "content-type": "application/json", date });
    response.end(JSON.stringify(body));
  }

  #failure(error: unknown): Answer {
    const body = errorBodyOf(error, crypto.randomUUID());
    return { status: body.statusCode, body };
  }

  #answer(seen: SeenRequest, request: IncomingMessage): Answer {
    if (seen.body !== undefined && request.headers["content-type"] !== "application/json") {
      throw new ApiError("unsupported_media_type", "The body must be JSON");
    }
    if (seen.sizeBytes > this.maxBodyBytes) throw new ApiError("payload_too_large", "The body is too large");
    const { path, body } = seen;
    if (path === SERVER_PATHS.registerDevice) {
      return { status: 201, body: this.#register(parsed(registerDeviceRequestSchema, body)) };
    }
    if (path === SERVER_PATHS.verifyDevice) {
      const { deviceId, code } = parsed(verifyDeviceRequestSchema, body);
      return { status: 200, body: this.#verify(deviceId, code) };
    }
    return { status: 200, body: this.#answerDevice(seen, this.#authenticate(request)) };
  }

  #answerDevice({ method, path, body }: SeenRequest, entry: DeviceEntry): unknown {
    const account = this.#accountOf(entry);
    switch (`${method} ${path}`) {
      case `GET ${SERVER_PATHS.currentDevice}`:
        return { device: entry.device };
      case `POST ${SERVER_PATHS.linkDevice}`:
        return { device: this.#link(parsed(linkDeviceRequestSchema, body).code, entry.account ?? "") };
      case `POST ${SERVER_PATHS.syncMessages}`:
        return storeMessages(account, parsed(syncMessagesRequestSchema, body));
      case `POST ${SERVER_PATHS.syncContacts}`: {
        const { contacts, deleted = [] } = parsed(syncContactsRequestSchema, body);
        deleteContacts(account, deleted);
        return storeContacts(account, contacts);
      }
      case `POST ${SERVER_PATHS.syncDeletions}`:
        return deleteMessages(account, parsed(syncDeletionsRequestSchema, body).imessageGuids);
      case `POST ${SERVER_PATHS.syncHeartbeat}`:
        account.lagRows = parsed(syncHeartbeatRequestSchema, body).lagRows;
        return { receivedAt: this.#timeIn(0) };
    }
    const deactivated = /^\/api\/devices\/([^/]+)\/deactivate$/.exec(path)?.[1];
    const other = deactivated === undefined ? undefined : this.#devices.get(deactivated);
    if (other === undefined) throw new ApiError("not_found", "There is no such path");
    other.device = { ...other.device, status: "deactivated" };
    return { device: other.device };
  }

  #register(
    { join: joins = false, ...request }: RegisterDeviceRequest,
    id: string = crypto.randomUUID(),
  ): { deviceId: string; code: string; expiresAt: string } {
    const code = String(100_000 + this.#devices.size);
    const device: Device = {
      id,
      ...request,
      scope: request.scope ?? "full",
      status: "pending",
      createdAt: this.#timeIn(0),
      verifiedAt: null,
      lastSeenAt: null,
      deactivatedAt: null,
    };
    this.#devices.set(id, { device, code, account: null, token: null, joins });
    return { deviceId: id, code, expiresAt: this.#timeIn(CODE_LIFETIME_MS) };
  }

  #link(code: string, account: string): Device {
    const entry = [...this.#devices.values()].find((candidate) => candidate.code === code);
    if (entry === undefined) throw new ApiError("not_found", "No device shows this code");
    entry.account = account;
    return entry.device;
  }

  #verify(deviceId: string, code: string): { token: string; expiresAt: string } {
    const entry = this.#devices.get(deviceId);
    if (entry === undefined || entry.code !== code) {
      throw new ApiError("code_invalid", "The code is wrong, used or expired");
    }
    const isClaimed = this.accounts.size > 0;
    if (entry.account === null && (this.pairing === "approve" || (entry.joins && isClaimed))) {
      throw new ApiError("pairing_required", "A linked device must approve the code");
    }
    entry.account ??= crypto.randomUUID();
    entry.code = null;
    entry.token = `token-${crypto.randomUUID()}`;
    entry.device = { ...entry.device, status: "active", verifiedAt: this.#timeIn(0) };
    this.#accountOf(entry);
    return { token: entry.token, expiresAt: this.#timeIn(TOKEN_LIFETIME_MS) };
  }

  #authenticate(request: IncomingMessage): DeviceEntry {
    const token = request.headers.authorization?.replace(/^Bearer /, "");
    const entry = [...this.#devices.values()].find((candidate) => candidate.token === token);
    if (token === undefined || entry === undefined) {
      throw new ApiError("token_expired", "The token is not, or no longer, valid");
    }
    if (entry.device.status !== "deactivated") return entry;
    throw new ApiError("device_deactivated", "The device was deactivated");
  }

  #timeIn(durationMs: number): string {
    return new Date(Date.now() + this.clockAheadMs + durationMs).toISOString();
  }

  #accountOf(entry: DeviceEntry): StoredAccount {
    const id = entry.account ?? "";
    const account = this.accounts.get(id) ?? {
      conversations: new Map(),
      messages: new Map(),
      contacts: new Map(),
      inserted: 0,
      updated: 0,
      unchanged: 0,
      deleted: 0,
      lagRows: null,
    };
    this.accounts.set(id, account);
    return account;
  }
}

type Change = "inserted" | "updated" | "unchanged";

function changeOf(old: unknown, next: unknown): Change {
  if (old === undefined) return "inserted";
  return JSON.stringify(old) === JSON.stringify(next) ? "unchanged" : "updated";
}

function storeMessages(account: StoredAccount, batch: SyncMessagesRequest): unknown {
  const id = batch.conversationImessageId;
  const guids = account.conversations.get(id)?.guids ?? [];
  account.conversations.set(id, {
    displayName: batch.conversationDisplayName ?? null,
    isGroup: batch.isGroup,
    participantIds: batch.participantIds,
    guids,
  });
  account.lagRows = batch.lagRows ?? account.lagRows;
  const counts = { inserted: 0, updated: 0, unchanged: 0 };
  for (const message of batch.messages) {
    const change = changeOf(account.messages.get(message.imessageGuid)?.message, message);
    counts[change]++;
    account[change]++;
    if (change === "inserted") guids.push(message.imessageGuid);
    account.messages.set(message.imessageGuid, { conversation: id, message });
  }
  return { conversationId: crypto.randomUUID(), ...counts };
}

function deleteMessages(account: StoredAccount, guids: readonly string[]): unknown {
  let deleted = 0;
  for (const guid of new Set(guids)) {
    if (!account.messages.delete(guid)) continue;
    for (const { guids: own } of account.conversations.values()) {
      if (own.includes(guid)) own.splice(own.indexOf(guid), 1);
    }
    deleted++;
  }
  account.deleted += deleted;
  return { deleted, unknown: new Set(guids).size - deleted };
}

function deleteContacts({ contacts }: StoredAccount, digests: readonly string[]): void {
  for (const key of contacts.keys()) {
    const digest = createHash("sha256").update(key).digest("hex");
    if (digests.some((beginning) => digest.startsWith(beginning))) contacts.delete(key);
  }
}

function storeContacts(account: StoredAccount, contacts: readonly SyncContact[]): unknown {
  const counts = { inserted: 0, updated: 0, unchanged: 0 };
  for (const contact of contacts) {
    const key = JSON.stringify([contact.appleId ?? null, contact.phoneNumber ?? null, contact.email ?? null]);
    counts[changeOf(account.contacts.get(key), contact)]++;
    account.contacts.set(key, contact);
  }
  return counts;
}

/** The server calls for pairing and sync, each typed by the contract. */
import {
  type Device,
  deviceListSchema,
  deviceResponseSchema,
  type RegisterDeviceRequest,
  type RegisterDeviceResponse,
  registerDeviceResponseSchema,
  type VerifyDeviceRequest,
  type VerifyDeviceResponse,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { MAX_PAGE_SIZE } from "../../contract/paging.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type SyncContact,
  type SyncContactsResponse,
  syncContactsResponseSchema,
  type SyncDeletionsResponse,
  syncDeletionsResponseSchema,
  type SyncHeartbeatRequest,
  type SyncHeartbeatResponse,
  syncHeartbeatResponseSchema,
  type SyncMessagesResponse,
  syncMessagesResponseSchema,
} from "../../contract/sync.ts";
import { type SessionCode, sessionCodeSchema } from "../../contract/session.ts";
import { WIRE_VERSION, WIRE_VERSION_HEADER } from "../../contract/wire.ts";
import { type Client, type ClientOptions, createClient } from "../../lib/http/client.ts";

/** Calls throw RemoteError for an answered error and UnreachableError when no usable answer came. */
export interface ServerClient {
  readonly baseUrl: string;
  register(request: RegisterDeviceRequest): Promise<RegisterDeviceResponse>;
  verify(request: VerifyDeviceRequest): Promise<VerifyDeviceResponse>;
  /** The next token and refresh token of the device that holds this one. */
  refresh(refreshToken: string): Promise<VerifyDeviceResponse>;
  /** Vouches, as a paired device, for the new device that shows this code. */
  link(code: string): Promise<Device>;
  deactivate(deviceId: string): Promise<Device>;
  /** Every device of the account, newest first. */
  devices(): Promise<Device[]>;
  /** A code that signs one browser in as this device, within 60 seconds. */
  sessionCode(): Promise<SessionCode>;
  /** The device that the token belongs to. */
  currentDevice(): Promise<Device>;
  /** @param json a `SyncMessagesInput`, which the caller has serialized to know its size */
  syncMessages(json: string): Promise<SyncMessagesResponse>;
  /** @param deleted digests of contacts that the address book no longer has */
  syncContacts(
    contacts: readonly SyncContact[],
    deleted?: readonly string[],
  ): Promise<SyncContactsResponse>;
  /** Tells of messages that were deleted in Messages. */
  syncDeletions(imessageGuids: readonly string[]): Promise<SyncDeletionsResponse>;
  /** Says that this device is there, how many rows wait on it, and what happened to the others. */
  heartbeat(report: SyncHeartbeatRequest): Promise<SyncHeartbeatResponse>;
}

export interface ServerClientOptions {
  baseUrl: string;
  /** null for calls that need no pairing. */
  token: string | null;
  /** Tries after the first one of calls that may be repeated; every sync call may. */
  retries: number;
  timeoutMs?: number;
  signal?: AbortSignal;
}

type SyncCalls = Pick<ServerClient, "syncMessages" | "syncContacts" | "syncDeletions" | "heartbeat">;

/** Sending any of these twice does no harm. */
function syncCalls(client: Client, signal: AbortSignal | undefined): SyncCalls {
  const { syncMessages, syncContacts, syncDeletions, syncHeartbeat } = SERVER_PATHS;
  const options = { signal, repeatable: true, gzip: true };
  return {
    syncMessages: (json) =>
      client.request("POST", syncMessages, { ...options, json, schema: syncMessagesResponseSchema }),
    syncContacts: (contacts, deleted) => {
      const body = { contacts, deleted };
      return client.request("POST", syncContacts, { ...options, body, schema: syncContactsResponseSchema });
    },
    syncDeletions: (imessageGuids) => {
      const body = { imessageGuids };
      return client.request("POST", syncDeletions, { ...options, body, schema: syncDeletionsResponseSchema });
    },
    heartbeat: (body) =>
      client.request("POST", syncHeartbeat, { ...options, body, schema: syncHeartbeatResponseSchema }),
  };
}

/** A client that names the agent's version of the wire in each request. */
export function createAgentClient(options: ClientOptions): Client {
  return createClient({ ...options, headers: { [WIRE_VERSION_HEADER]: String(WIRE_VERSION) } });
}

/** Makes the client of one server. */
export function createServerClient(options: ServerClientOptions): ServerClient {
  const { baseUrl, retries, timeoutMs, signal } = options;
  const client = createAgentClient({ baseUrl, retries, timeoutMs, token: () => options.token });
  return {
    baseUrl,
    register: (body) =>
      client.request("POST", SERVER_PATHS.registerDevice, {
        body,
        signal,
        schema: registerDeviceResponseSchema,
      }),
    verify: (body) =>
      client.request("POST", SERVER_PATHS.verifyDevice, { body, signal, schema: verifyDeviceResponseSchema }),
    refresh: (refreshToken) =>
      client.request("POST", SERVER_PATHS.refreshDevice, {
        body: { refreshToken },
        signal,
        schema: verifyDeviceResponseSchema,
      }),
    link: async (code) => {
      const { linkDevice } = SERVER_PATHS;
      const answer = await client.request("POST", linkDevice, {
        body: { code },
        signal,
        schema: deviceResponseSchema,
      });
      return answer.device;
    },
    deactivate: async (id) => {
      const path = pathOf(SERVER_PATHS.deactivateDevice, { id });
      return (await client.request("POST", path, { signal, schema: deviceResponseSchema })).device;
    },
    devices: async () => {
      const devices: Device[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
        const path = `${SERVER_PATHS.devices}?pageSize=${MAX_PAGE_SIZE}${after}`;
        const page = await client.request("GET", path, { signal, schema: deviceListSchema });
        devices.push(...page.devices);
        cursor = page.nextCursor ?? null;
      }
      return devices;
    },
    sessionCode: () =>
      client.request("POST", SERVER_PATHS.sessionCodes, { signal, schema: sessionCodeSchema }),
    currentDevice: async () => {
      const { currentDevice } = SERVER_PATHS;
      return (await client.request("GET", currentDevice, { signal, schema: deviceResponseSchema })).device;
    },
    ...syncCalls(client, signal),
  };
}

/** Owns the agent's calls to the server, each typed by the contract. */
import {
  type Device,
  deviceResponseSchema,
  type RegisterDeviceRequest,
  type RegisterDeviceResponse,
  registerDeviceResponseSchema,
  type VerifyDeviceRequest,
  type VerifyDeviceResponse,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { pathOf, SERVER_PATHS } from "../../contract/paths.ts";
import {
  type SyncContact,
  type SyncContactsResponse,
  syncContactsResponseSchema,
  type SyncMessagesInput,
  type SyncMessagesResponse,
  syncMessagesResponseSchema,
} from "../../contract/sync.ts";
import { createClient } from "../../lib/client.ts";

/** Calls throw RemoteError for an answered error and UnreachableError when no usable answer came. */
export interface ServerClient {
  readonly baseUrl: string;
  register(request: RegisterDeviceRequest): Promise<RegisterDeviceResponse>;
  verify(request: VerifyDeviceRequest): Promise<VerifyDeviceResponse>;
  /** Vouches, as a paired device, for the new device that shows this code. */
  link(code: string): Promise<Device>;
  deactivate(deviceId: string): Promise<Device>;
  /** The device that the token belongs to. */
  currentDevice(): Promise<Device>;
  syncMessages(batch: SyncMessagesInput): Promise<SyncMessagesResponse>;
  syncContacts(contacts: readonly SyncContact[]): Promise<SyncContactsResponse>;
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

/** Makes the client of one server. */
export function createServerClient(options: ServerClientOptions): ServerClient {
  const { baseUrl, retries, timeoutMs, signal } = options;
  const client = createClient({ baseUrl, retries, timeoutMs, token: () => options.token });
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
    currentDevice: async () => {
      const { currentDevice } = SERVER_PATHS;
      return (await client.request("GET", currentDevice, { signal, schema: deviceResponseSchema })).device;
    },
    syncMessages: (body) =>
      client.request("POST", SERVER_PATHS.syncMessages, {
        body,
        signal,
        repeatable: true,
        schema: syncMessagesResponseSchema,
      }),
    syncContacts: (contacts) =>
      client.request("POST", SERVER_PATHS.syncContacts, {
        body: { contacts },
        signal,
        repeatable: true,
        schema: syncContactsResponseSchema,
      }),
  };
}

/** Owns what the commands need of the world, put together by `agent/context.ts`. */
import type { RegisterDeviceRequest } from "../../contract/devices.ts";
import type { ChatDatabase } from "../chatdb/chat_database.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AgentConfig } from "../config.ts";
import type { Work } from "../platform/instance_lock.ts";
import type { PairingDependencies } from "../sync/pairing.ts";
import type { SyncState } from "../sync/sync_run.ts";
import type { Output } from "./output.ts";

/** What the agent says of this machine; the name is the person's to choose. */
export type DeviceDescription = Pick<RegisterDeviceRequest, "name" | "platform" | "osVersion">;

export interface AgentServices {
  readonly config: AgentConfig;
  readonly output: Output;
  readonly pairing: PairingDependencies;
  readonly state: SyncState;
  /** A client that does not insist: it asks once and waits a few seconds. */
  probe(token: string | null): ServerClient;
  describeDevice(): Promise<DeviceDescription>;
  /** @throws ChatDatabaseError when chat.db cannot be opened */
  openChatDatabase(): ChatDatabase;
  readAddressBook(): AddressBook;
  /** @throws StartError when another process does this work */
  lock(work: Work): Promise<Disposable>;
  /** The present, in Unix time. */
  now(): number;
  /** About how many messages a sync sends and acknowledges at a time; the engine's own choice when absent. */
  readonly roundMessages?: number;
}

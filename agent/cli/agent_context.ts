/** What the agent's commands work with; `agent/context.ts` puts it together. */
import type { RegisterDeviceRequest } from "../../contract/devices.ts";
import type { ChatDatabase } from "../chatdb/file/chat_database.ts";
import type { AddressBook } from "../contacts/address_book.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import type { ServerClient } from "../clients/server_client.ts";
import type { AgentConfig } from "../config.ts";
import type { CommandRunner } from "../platform/command_runner.ts";
import type { Work } from "../platform/instance_lock.ts";
import type { Machine } from "../platform/machine.ts";
import type { MessagesApp } from "../platform/messages_app.ts";
import type { SendDependencies } from "../suggest/send/send_reply.ts";
import type { PairingDependencies } from "../pairing/pairing.ts";
import type { AgentStore } from "../state/agent_store.ts";
import type { Output } from "./output.ts";

/** What the agent says of this machine; the name is the person's to choose. */
export type DeviceDescription = Pick<RegisterDeviceRequest, "name" | "platform" | "osVersion">;

export interface AgentContext {
  readonly config: AgentConfig;
  readonly output: Output;
  readonly pairing: PairingDependencies;
  /** What was synced. */
  readonly store: AgentStore;
  /** What was suggested and sent. */
  readonly suggestions: AgentStore;
  readonly machine: Machine;
  readonly commands: CommandRunner;
  readonly messages: MessagesApp;
  /** Aborts when the process is asked to end. */
  readonly signal: AbortSignal;
  /** A client for an agent that stays, and tries again by itself. */
  liveServer(token: string): ServerClient;
  /** A client that does not insist: it asks once and waits a few seconds. */
  probe(token: string | null): ServerClient;
  /** The calls around drafts, for which a pairing is needed. */
  drafts(token: string): DraftClient;
  /** What sending a reply needs. @throws UserError when this is no Mac */
  sending(): SendDependencies;
  describeDevice(): Promise<DeviceDescription>;
  /** @throws ChatDatabaseError when chat.db cannot be opened */
  openChatDatabase(): ChatDatabase;
  readAddressBook(): AddressBook;
  /** @throws UserError when another process does this work */
  lock(work: Work): Promise<Disposable>;
  /** The present, in Unix time. */
  now(): number;
  /** About how many messages a sync sends and acknowledges at a time; the engine's own choice when absent. */
  readonly batchMessages?: number;
}

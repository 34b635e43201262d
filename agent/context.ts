/** Creates the agent's context from its settings. */
import type { AgentContext } from "./cli/agent_context.ts";
import type { Output } from "./cli/output.ts";
import { readAddresses } from "./chatdb/chats/chat_directory.ts";
import { ChatDatabase } from "./chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "./chatdb/file/chat_database_error.ts";
import { createDraftClient } from "./clients/draft_client.ts";
import { createServerClient } from "./clients/server_client.ts";
import { type AgentConfig, type AgentSettings, DEFAULT_SERVER_URL } from "./config.ts";
import { UserError } from "../lib/errors.ts";
import { readAddressBook } from "./contacts/address_book.ts";
import { KnownAddresses } from "./contacts/same_address.ts";
import { macRegion } from "./platform/mac_region.ts";
import { systemCommands } from "./platform/command_runner.ts";
import { deviceFacts, type Machine, thisMachine } from "./platform/machine.ts";
import { lockWork } from "./platform/instance_lock.ts";
import { createMessagesApp } from "./platform/messages_app.ts";
import { createScriptHost } from "./platform/osascript.ts";
import type { SendDependencies } from "./suggest/send/send_reply.ts";
import { AgentStore } from "./state/agent_store.ts";
import { createRefreshTokenStore, createTokenStore } from "./platform/token_store.ts";
import { pairedServerUrl, pairingStore } from "./pairing/pairing_store.ts";

/** Enough tries, with their growing waits, for a server that is being restarted: about 20 seconds. */
const RETRIES = 8;
/** Enough for a hiccup; the agent that stays waits by itself, and shows it. */
const LIVE_RETRIES = 2;
const PROBE_TIMEOUT_MS = 5_000;
/** A full batch on a slow machine takes its time. */
const SYNC_TIMEOUT_MS = 60_000;

export interface AgentContextOptions {
  output: Output;
  /** Ends what is under way. */
  signal?: AbortSignal;
  /** `Deno.build.os`; decides where the token is kept. */
  os?: string;
  /** About how many messages a sync sends and acknowledges at a time. */
  batchMessages?: number;
  /** Tries after the first one of each request that may be repeated. */
  retries?: number;
}

/** The settings with the server that the device is paired with, where they name none. */
function resolved(settings: AgentSettings): AgentConfig {
  const serverUrl = settings.serverUrl ?? pairedServerUrl(settings.dataDir) ?? DEFAULT_SERVER_URL;
  return { ...settings, serverUrl };
}

/** The databases of Messages and Contacts. */
function databasesOf(config: AgentConfig, { homeDir }: Machine) {
  const openChatDatabase = () => {
    const regions = { chosenRegion: config.region ?? null, systemRegion: macRegion(homeDir()) };
    return new ChatDatabase(config.chatDb, { regions });
  };

  /** Of a database that cannot be read no address is known: whoever reads its messages reports why. */
  function knownAddresses(): KnownAddresses {
    try {
      using database = openChatDatabase();
      return readAddresses(database);
    } catch (error) {
      if (!(error instanceof ChatDatabaseError)) throw error;
      return new KnownAddresses([], { region: config.region ?? macRegion(homeDir()) });
    }
  }

  const readContacts = () => readAddressBook(config.addressBook, { addresses: knownAddresses() });
  return { openChatDatabase, readContacts };
}

/** Puts the agent together. Nothing is opened or written until a command asks for it. */
export function createAgentContext(settings: AgentSettings, options: AgentContextOptions): AgentContext {
  const config = resolved(settings);
  const {
    output,
    signal = new AbortController().signal,
    batchMessages,
    retries = RETRIES,
    os = Deno.build.os,
  } = options;
  const { dataDir, serverUrl } = config;
  const patient = { baseUrl: serverUrl, retries, signal, timeoutMs: SYNC_TIMEOUT_MS };
  const commands = systemCommands();
  const messages = createMessagesApp(createScriptHost(commands));
  const lock: AgentContext["lock"] = (work) => lockWork(dataDir, work);
  const suggestions = new AgentStore(dataDir, "suggestions");
  const machine = thisMachine(os);
  const { openChatDatabase, readContacts } = databasesOf(config, machine);

  function sending(): SendDependencies {
    if (os !== "darwin") {
      throw new UserError("Replies are sent by the Messages app", { fix: "Run this on your Mac" });
    }
    return { openChatDatabase, messages, lock, sendLog: suggestions, now: Date.now };
  }

  return {
    config,
    output,
    pairing: {
      serverUrl,
      records: pairingStore(dataDir),
      tokenStore: (hardwareId) => createTokenStore({ dataDir, account: hardwareId, commands, os }),
      refreshTokenStore: (hardwareId) =>
        createRefreshTokenStore({ dataDir, account: hardwareId, commands, os }),
      server: (token) => createServerClient({ ...patient, token }),
      now: Date.now,
    },
    store: new AgentStore(dataDir, "sync"),
    suggestions,
    machine,
    commands,
    messages,
    drafts: (token) => createDraftClient({ ...patient, token }),
    sending,
    signal,
    liveServer: (token) =>
      createServerClient({ ...patient, token, retries: Math.min(retries, LIVE_RETRIES) }),
    probe: (token) => createServerClient({ ...patient, token, retries: 0, timeoutMs: PROBE_TIMEOUT_MS }),
    describeDevice: async () => ({ name: Deno.hostname(), ...await deviceFacts(os, commands) }),
    openChatDatabase,
    readAddressBook: readContacts,
    lock,
    now: Date.now,
    batchMessages,
  };
}

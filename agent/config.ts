/** The agent's settings: where the server is, where its own files are, and which databases it reads. */
import { resolve } from "node:path";
import { ConfigError, configFrom, type ConfigOf, httpUrl, setting, text } from "../lib/config.ts";
import type { SettingsTable } from "../lib/config.ts";

const MACOS_DATA_DIR = "~/Library/Application Support/Conversation Assistant";
const XDG_FOLDER = "conversation-assistant";

/** Where the server is when nothing says otherwise: on this machine. */
export const DEFAULT_SERVER_URL = "http://127.0.0.1:3100";

const COUNTRY = /^[A-Z]{2}$/;

function country(raw: string): string {
  const code = raw.toUpperCase();
  if (COUNTRY.test(code)) return code;
  throw new RangeError("must be the two letters of a country, such as DE");
}

export const SETTINGS = {
  serverUrl: setting<string | null>({
    env: "AGENT_SERVER_URL",
    parse: httpUrl,
    fallback: null,
    fallbackText: `the server that this Mac is paired with, else ${DEFAULT_SERVER_URL}`,
    description: "The server that this Mac's messages are sent to",
  }),
  dataDir: setting<string | null>({
    env: "AGENT_DATA_DIR",
    parse: text,
    fallback: null,
    fallbackText: `${MACOS_DATA_DIR}; on Linux $XDG_STATE_HOME/${XDG_FOLDER} or ~/.local/state/${XDG_FOLDER}`,
    description: "Where the agent keeps its pairing and how far it has synced",
  }),
  chatDb: setting({
    env: "AGENT_CHAT_DB",
    parse: text,
    fallback: "~/Library/Messages/chat.db",
    description: "The database of Messages; only ever read",
  }),
  addressBook: setting({
    env: "AGENT_ADDRESS_BOOK",
    parse: text,
    fallback: "~/Library/Application Support/AddressBook",
    description: "The folder of the address book; only ever read",
  }),
  region: setting<string | null>({
    env: "AGENT_REGION",
    parse: country,
    fallback: null,
    fallbackText: "that of your own number in Messages, else that of macOS",
    description: "The country, as two letters, in which phone numbers without a country code are meant",
  }),
} satisfies SettingsTable;

/** The agent's configuration; every path is absolute. */
export type AgentConfig =
  & { readonly [Key in Exclude<keyof ConfigOf<typeof SETTINGS>, "region">]: string }
  & { readonly region?: string };

/** The configuration as far as an environment gives it: it need not name the server. */
export type AgentSettings = Omit<AgentConfig, "serverUrl"> & { readonly serverUrl: string | null };

type Environment = Record<string, string | undefined>;

function defaultDataDir(env: Environment, os: string): string {
  if (os === "darwin") return MACOS_DATA_DIR;
  const stateHome = env.XDG_STATE_HOME?.trim();
  return `${stateHome || "~/.local/state"}/${XDG_FOLDER}`;
}

function expandHome(path: string, home: string | undefined): string {
  if (path !== "~" && !path.startsWith("~/")) return resolve(path);
  if (!home) throw new ConfigError([`HOME must be set, because the agent looks for ${path}`]);
  return resolve(home + path.slice(1));
}

/**
 * Reads the agent's configuration from an environment.
 *
 * @param os `Deno.build.os` of the machine the environment belongs to
 * @throws ConfigError naming each variable that cannot be used
 */
export function agentConfigFrom(env: Environment, os: string = Deno.build.os): AgentSettings {
  const values = configFrom(SETTINGS, env);
  const home = env.HOME?.trim() || env.USERPROFILE?.trim();
  return {
    serverUrl: values.serverUrl,
    ...(values.region === null ? {} : { region: values.region }),
    dataDir: expandHome(values.dataDir ?? defaultDataDir(env, os), home),
    chatDb: expandHome(values.chatDb, home),
    addressBook: expandHome(values.addressBook, home),
  };
}

/** Reads the configuration of this process. */
export function agentConfig(): AgentSettings {
  return agentConfigFrom(Deno.env.toObject());
}

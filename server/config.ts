/** The server's settings: their names, defaults and checks. */
import { fileURLToPath } from "node:url";
import { basename } from "node:path";
import { MAX_TRAINING_SAMPLES } from "../contract/ml_training.ts";
import {
  ConfigError,
  configFrom,
  type ConfigOf,
  defaultDataDir,
  httpUrl,
  isLoopback,
  logLevelSetting,
  oneOf,
  port,
  setting,
  type SettingsTable,
  text,
  wholeNumber,
} from "../lib/config.ts";
import { allowedHostsSetting } from "../lib/http/allowed_hosts.ts";
import type { OwnService } from "../lib/service/own_service.ts";
import { trustedProxiesSetting } from "../lib/http/trusted_proxies.ts";

/** HS256 wants a key at least as long as its hash: RFC 7518 section 3.2. */
const MIN_SECRET_BYTES = 32;

function databaseUrl(raw: string): string {
  const url = URL.canParse(raw) ? new URL(raw) : null;
  if (url?.protocol === "postgres:" || url?.protocol === "postgresql:") return raw;
  throw new Error("a URL such as postgres://user:password@host:5432/database");
}

function secretText(raw: string): string {
  if (new TextEncoder().encode(raw).length >= MIN_SECRET_BYTES) return raw;
  throw new Error(`at least ${MIN_SECRET_BYTES} bytes long; leave it out to have one generated`);
}

function ageRecipient(raw: string): string {
  if (/^age1[02-9ac-hj-np-z]{58}$/.test(raw)) return raw;
  throw new Error("the public key of an age identity, age1 and 58 letters and digits behind it");
}

function webhookUrl(raw: string): string {
  const url = URL.canParse(raw) ? new URL(raw) : null;
  if (
    (url?.protocol === "http:" || url?.protocol === "https:") && url.username === "" && url.password === ""
  ) return raw;
  throw new Error("a URL that begins with http:// or https:// and holds no password");
}

/** Hours of the machine's local time, 0 to 24; a range may pass midnight. */
export interface HourRange {
  from: number;
  /** The first hour that is outside. */
  to: number;
}

function hourRange(raw: string): HourRange {
  const [, from, to] = /^(\d{1,2})-(\d{1,2})$/.exec(raw)?.map(Number) ?? [];
  if (from !== undefined && to !== undefined && from < 24 && to <= 24) return { from, to };
  throw new Error("two hours from 0 to 24 such as 1-5 or 22-4");
}

/** How a new device joins: by itself (`open`), or only once the owner linked it (`approve`). */
export type Pairing = "open" | "approve";

export const SETTINGS = {
  host: setting({
    env: "SERVER_HOST",
    parse: text,
    fallback: "127.0.0.1",
    description: "Address to listen on; 0.0.0.0 opens the server to the network",
  }),
  port: setting({ env: "SERVER_PORT", parse: port, fallback: 3100, description: "Port to listen on" }),
  databaseUrl: setting<string | null>({
    env: "DATABASE_URL",
    parse: databaseUrl,
    fallback: null,
    fallbackText: "the embedded PostgreSQL under DATA_DIR",
    description:
      "PostgreSQL to use, version 15 to 18. Any number of servers may share it: background drafts and the secret of the " +
      "tokens are then in it, instead of in DATA_DIR",
    secret: true,
  }),
  dataDir: setting({
    env: "DATA_DIR",
    parse: text,
    fallback: defaultDataDir(),
    fallbackText: "./data (root: /var/lib/conversation-assistant)",
    description:
      "Folder of the embedded PostgreSQL, its background drafts and the generated secret; one server at a time uses it",
  }),
  jwtSecret: setting<string | null>({
    env: "JWT_SECRET",
    parse: secretText,
    fallback: null,
    fallbackText: "generated into DATA_DIR, or into the database of DATABASE_URL",
    description:
      "Secret that signs device tokens, 32 bytes or more; changing it logs every device out. Set it, to the same on every " +
      "server, where a dump of the database must not hold it",
    secret: true,
  }),
  pairing: setting<Pairing | null>({
    env: "PAIRING",
    parse: oneOf("open", "approve"),
    fallback: null,
    fallbackText: "open on a loopback address, approve on any other",
    description: "Whether a new device may verify itself or must be linked by the owner first",
  }),
  command: setting({
    env: "SERVER_COMMAND",
    parse: text,
    fallback: Deno.build.standalone ? basename(Deno.execPath()) : "deno task server",
    fallbackText: "deno task server, or the compiled program's name",
    description: "How the server's commands are typed on its machine, for messages that name one",
  }),
  backupRecipient: setting<string | null>({
    env: "BACKUP_RECIPIENT",
    parse: ageRecipient,
    fallback: null,
    fallbackText: "the one of the key that the first `backup` shows",
    description: "Public key (age1…) that backups are encrypted for; only its secret key opens them",
    // The secret key may be given by mistake.
    secret: true,
  }),
  retrainAfter: setting<number | null>({
    env: "RETRAIN_AFTER",
    parse: wholeNumber({ min: 1, max: MAX_TRAINING_SAMPLES }),
    fallback: null,
    fallbackText: "off",
    description:
      "New samples after which an account's last completed training is repeated with all samples, at RETRAIN_HOURS",
  }),
  retrainHours: setting<HourRange>({
    env: "RETRAIN_HOURS",
    parse: hourRange,
    fallback: { from: 1, to: 5 },
    fallbackText: "1-5",
    description: "Hours of local time in which such a training may start",
  }),
  draftExamples: setting<"untrained" | "always" | "off">({
    env: "DRAFT_EXAMPLES",
    parse: oneOf("untrained", "always", "off"),
    fallback: "untrained",
    description:
      "When drafts show the model up to five of the person's own earlier replies: while no adapter is promoted, always, " +
      "or never",
  }),
  mlUrl: setting({
    env: "ML_URL",
    parse: httpUrl,
    fallback: "http://127.0.0.1:8100",
    description: "The ml service",
  }),
  mlToken: setting<string | null>({
    env: "ML_TOKEN",
    parse: text,
    fallback: null,
    fallbackText: "none",
    description: "Token that the ml service asks for",
    secret: true,
  }),
  webhookUrl: setting<string | null>({
    env: "WEBHOOK_URL",
    parse: webhookUrl,
    fallback: null,
    fallbackText: "off",
    description:
      "Where each completed draft is reported, by a signed POST of its ids; servers that share a database have the same",
    secret: true,
  }),
  webhookSecret: setting<string | null>({
    env: "WEBHOOK_SECRET",
    parse: secretText,
    fallback: null,
    fallbackText: "none",
    description: "Secret that signs what is sent to WEBHOOK_URL, 32 bytes or more; needed where that is set",
    secret: true,
  }),
  allowedHosts: allowedHostsSetting,
  trustedProxies: trustedProxiesSetting,
  logLevel: logLevelSetting,
} satisfies SettingsTable;

export type ServerConfig = Omit<ConfigOf<typeof SETTINGS>, "pairing"> & { readonly pairing: Pairing };

/**
 * Reads the server's configuration from an environment.
 *
 * @throws ConfigError naming each variable that cannot be used
 */
export function serverConfigFrom(env: Record<string, string | undefined>): ServerConfig {
  const config = configFrom(SETTINGS, env);
  if (config.host.includes("/")) {
    throw new ConfigError(["SERVER_HOST must be an address, not a URL: got " + JSON.stringify(config.host)]);
  }
  if (config.webhookUrl !== null && config.webhookSecret === null) {
    throw new ConfigError([
      "WEBHOOK_SECRET must be set where WEBHOOK_URL is: what is sent there is signed with it",
    ]);
  }
  return { ...config, pairing: config.pairing ?? (isLoopback(config.host) ? "open" : "approve") };
}

/** The server's configuration from the process's own environment. */
export function readServerConfig(): ServerConfig {
  return serverConfigFrom(Deno.env.toObject());
}

/** The service that `service install` makes of this start's settings. @throws ConfigError for those that cannot be used */
export function serverService(): OwnService {
  const { dataDir } = readServerConfig();
  const checkout = { config: fileURLToPath(new URL("../deno.json", import.meta.url)) };
  return { part: "server", settings: SETTINGS, environment: Deno.env.toObject(), dataDir, checkout };
}

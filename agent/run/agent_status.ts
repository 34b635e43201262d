/** Reads the agent's state: pairing, server, chat.db and how far it has synced. Changes nothing. */
import { RemoteError } from "../../lib/http/client.ts";
import { messageOf, UserError } from "../../lib/errors.ts";
import { ChatDatabase, countRowsAfter } from "../chatdb/file/chat_database.ts";
import { ChatDatabaseError } from "../chatdb/file/chat_database_error.ts";
import { isPairingEnded, serverFault } from "../clients/server_faults.ts";
import type { PairingDependencies } from "../pairing/pairing.ts";
import { pairingEnd } from "../pairing/pairing_store.ts";
import type { AgentStore } from "../state/agent_store.ts";
import type { DocumentValues, RefusedItem, SyncSummary } from "../state/stored_values.ts";
import { SyncState } from "../state/sync_state.ts";
import { type RestartReason, syncStart } from "../sync/message_sync.ts";

/**
 * `paired`: the server accepted the token, or is unreachable, or the agent refreshes the token when it next runs. `expired`:
 * it was not refreshed in time. `ended`: the server no longer accepts the token for another reason. `other_server`: paired
 * with another server than the configured one. `broken`: the record or the token cannot be read.
 */
export type PairingState = "none" | "pending" | "paired" | "expired" | "ended" | "other_server" | "broken";

/** What is wrong and what to do about it; both are null when nothing is. */
export interface Problem {
  readonly problem: string | null;
  readonly fix: string | null;
}

const NO_PROBLEM: Problem = { problem: null, fix: null };

function problemOf(error: unknown): Problem {
  return error instanceof UserError
    ? { problem: error.message, fix: error.fix }
    : { problem: messageOf(error), fix: null };
}

export interface AgentStatus {
  readonly server: { readonly url: string; readonly reachable: boolean } & Problem;
  readonly pairing: {
    readonly state: PairingState;
    readonly deviceId: string | null;
    /** When the pairing ends unless the agent runs before. */
    readonly expiresAt: string | null;
  };
  readonly chatDb: { readonly path: string; readonly readable: boolean } & Problem;
  /** null when chat.db cannot be read. */
  readonly messages: {
    /** The last row of chat.db that the server has acknowledged. */
    readonly syncedRowId: number;
    /** Rows that wait to be synced. */
    readonly waitingRows: number;
    /** Why the next sync starts at the first row again. */
    readonly restart: RestartReason | null;
  } | null;
  readonly lastSync: SyncSummary | null;
  /** A failure after `lastSync`; its message is the sentence that the person read. */
  readonly lastFailure: DocumentValues["last_failure"] | null;
  /** What the server refused. */
  readonly refused: readonly RefusedItem[];
}

export interface StatusDependencies {
  pairing: PairingDependencies;
  store: AgentStore;
  chatDb: string;
}

interface StoredPairing {
  pairing: AgentStatus["pairing"];
  token: string | null;
  syncTarget: string;
  /** The token can be refreshed, so that its end is not that of the pairing. */
  isRefreshable: boolean;
}

async function readPairing(
  { records, tokenStore, serverUrl, now }: PairingDependencies,
): Promise<StoredPairing> {
  const stored = await records.load();
  const none = { deviceId: null, expiresAt: null };
  if (stored.kind !== "found") {
    const state = stored.kind === "broken" ? "broken" : "none";
    return { pairing: { state, ...none }, token: null, syncTarget: "", isRefreshable: false };
  }
  const { active, pending, hardwareId } = stored.state;
  const shown = active ?? pending;
  if (shown === null) {
    return { pairing: { state: "none", ...none }, token: null, syncTarget: "", isRefreshable: false };
  }
  const { deviceId, syncTarget } = shown;
  const expiresAt = pairingEnd(shown);
  const look = (state: PairingState, token: string | null = null): StoredPairing => ({
    pairing: { state, deviceId, expiresAt },
    token,
    syncTarget,
    isRefreshable: active?.refreshExpiresAt !== undefined && now() < Date.parse(active.refreshExpiresAt),
  });
  if (active === null) return look("pending");
  if (active.serverUrl !== serverUrl) return look("other_server");
  const token = await tokenStore(hardwareId).read().catch(() => null);
  return token === null ? look("broken") : look("paired", token);
}

/** Any answer shows that the server is there; only a device's own can show that its pairing holds. */
async function checkServer(
  { server, serverUrl: url }: PairingDependencies,
  { token, isRefreshable }: Pick<StoredPairing, "token" | "isRefreshable">,
): Promise<AgentStatus["server"] & { ended: "ended" | "expired" | null }> {
  try {
    await server(token).currentDevice();
    return { url, reachable: true, ...NO_PROBLEM, ended: null };
  } catch (error) {
    const problem = problemOf(serverFault(error, url));
    if (!(error instanceof RemoteError)) return { url, reachable: false, ...problem, ended: null };
    if (!isPairingEnded(error)) return { url, reachable: true, ...problem, ended: null };
    const isExpired = error.body.code === "token_expired";
    if (token === null || isExpired && isRefreshable) {
      return { url, reachable: true, ...NO_PROBLEM, ended: null };
    }
    return { url, reachable: true, ...problem, ended: isExpired ? "expired" : "ended" };
  }
}

interface SyncedRows {
  rowId: number;
  restart: RestartReason | null;
}

function syncedRows(store: AgentStore, target: { database: ChatDatabase; syncTarget: string }): SyncedRows {
  return store.read((database) => {
    const { cursor, restart } = syncStart(new SyncState(database), target);
    return { rowId: cursor.database.markRowId, restart };
  }, () => ({ rowId: 0, restart: "cursor_broken" }));
}

function readMessages(
  { chatDb: path, store }: StatusDependencies,
  syncTarget: string,
): Pick<AgentStatus, "chatDb" | "messages"> {
  try {
    using database = new ChatDatabase(path);
    const { rowId, restart } = syncedRows(store, { database, syncTarget });
    const messages = { syncedRowId: rowId, waitingRows: countRowsAfter(database, rowId), restart };
    return { chatDb: { path, readable: true, ...NO_PROBLEM }, messages };
  } catch (error) {
    if (!(error instanceof ChatDatabaseError)) throw error;
    return { chatDb: { path, readable: false, ...problemOf(error) }, messages: null };
  }
}

/** Nothing when it cannot be read: it only informs. */
function pastSyncs(store: AgentStore): Pick<AgentStatus, "lastSync" | "lastFailure" | "refused"> {
  return store.read((database) => ({
    lastSync: database.document("last_sync").get(),
    lastFailure: database.document("last_failure").get(),
    refused: [...database.values("refused_items").all().values()],
  }), () => ({ lastSync: null, lastFailure: null, refused: [] }));
}

/** Reads everything once. */
export async function agentStatus(dependencies: StatusDependencies): Promise<AgentStatus> {
  const stored = await readPairing(dependencies.pairing);
  const { ended, ...server } = await checkServer(dependencies.pairing, stored);
  const messages = readMessages(dependencies, stored.syncTarget);
  return {
    server,
    pairing: ended === null ? stored.pairing : { ...stored.pairing, state: ended },
    ...messages,
    ...pastSyncs(dependencies.store),
  };
}

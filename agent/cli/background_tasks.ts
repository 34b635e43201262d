/** The background tasks of `agent run`: drafting automatically where that is wanted, and rotating the log. */
import { type Clock, systemClock } from "../../lib/clock.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import { createLogger } from "../../lib/log.ts";
import { RemoteError } from "../../lib/http/client.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { requirePairing } from "../pairing/pairing.ts";
import { isRefreshDue } from "../pairing/pairing_store.ts";
import type { AgentState } from "../run/agent_state.ts";
import { rotateLog, serviceLogPath, startLogRotation } from "../service/log_rotation.ts";
import { AutomaticDrafting } from "../suggest/automatic_drafting.ts";
import { type AutomaticRound, draftAutomatically } from "../suggest/automatic_suggestions.ts";
import { loadPolicies } from "../suggest/conversation_policies.ts";
import type { AgentContext } from "./agent_context.ts";

export interface BackgroundTasks extends Disposable {
  /** Takes each state of the agent. */
  readonly onState: (state: Pick<AgentState, "phase" | "lastSyncAt">) => void;
}

const NOTHING: AutomaticRound = { made: [], isWaiting: false, failure: null };

/** One round of drafting. A device that may only send asks for no drafts. */
async function draftOnce(
  services: AgentContext,
  client: () => Promise<DraftClient>,
): Promise<AutomaticRound> {
  const policies = loadPolicies(services.suggestions);
  using _lock = await services.lock("suggest");
  try {
    return await draftAutomatically(await client(), { policies, nowMs: services.now() });
  } catch (error) {
    if (error instanceof RemoteError && error.body.code === "scope_insufficient") return NOTHING;
    throw error;
  }
}

/** Starts the background tasks; they end when this is disposed. */
export function startBackgroundTasks(services: AgentContext, clock: Clock = systemClock): BackgroundTasks {
  const { config, output } = services;
  const log = createLogger({ write: output.line, pretty: output.terminal !== null });
  const stack = new DisposableStack();
  stack.use(startLogRotation({
    clock,
    rotate: () => rotateLog(serviceLogPath(config.dataDir)),
    onFailure: (error) => log.warn("The log cannot be rotated", logFieldsOfError(error)),
  }));
  const client = pairedDrafts(services);
  const draft = () => draftOnce(services, client);
  const drafting = stack.use(new AutomaticDrafting({ draft, clock, log }));
  return { onState: (state) => drafting.notice(state), [Symbol.dispose]: () => stack.dispose() };
}

/**
 * Gives the client of the present pairing. The token is read once for each: the Keychain is no place to ask every few
 * seconds.
 */
export function pairedDrafts(
  services: Pick<AgentContext, "pairing" | "drafts">,
): () => Promise<DraftClient> {
  let known: { pairedAs: string; client: DraftClient } | null = null;
  return async () => {
    const stored = await services.pairing.records.load();
    const active = stored.kind === "found" ? stored.state.active : null;
    const pairedAs = JSON.stringify(active);
    const isCurrent = active !== null && known?.pairedAs === pairedAs;
    if (known !== null && isCurrent && !isRefreshDue(active, services.pairing.now())) return known.client;
    const { pairing, token } = await requirePairing(services.pairing);
    known = { pairedAs: JSON.stringify(pairing), client: services.drafts(token) };
    return known.client;
  };
}

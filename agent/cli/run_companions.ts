/** Owns what runs beside the agent that stays: drafting by itself where it is wanted, and keeping its log small. */
import type { DraftClient } from "../clients/draft_client.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { createLogger } from "../../lib/log.ts";
import { logFieldsOfError } from "../../lib/errors.ts";
import { keepLogSmall } from "../service/log_keeper.ts";
import { rotateLog, serviceLogPath } from "../service/log_rotation.ts";
import { AutomaticDrafting } from "../suggest/automatic_drafting.ts";
import { type AutomaticRound, draftAutomatically } from "../suggest/automatic_suggestions.ts";
import { loadPolicies } from "../suggest/conversation_policies.ts";
import type { AgentState } from "../run/agent_state.ts";
import type { AgentServices } from "./agent_services.ts";
import { pairedDrafts } from "./paired_drafts.ts";

export interface RunCompanions extends Disposable {
  /** Takes each state of the agent. */
  readonly onState: (state: Pick<AgentState, "phase" | "lastSyncAt">) => void;
}

const NOTHING: AutomaticRound = { made: [], isWaiting: false, failure: null };

/** One round of drafting; where nothing is automatic, neither the server nor the Keychain is asked. */
async function draftOnce(
  services: AgentServices,
  client: () => Promise<DraftClient>,
): Promise<AutomaticRound> {
  const policies = await loadPolicies(services.suggestions.policies);
  if (!Object.values(policies.modes).includes("automatic")) return NOTHING;
  using _lock = await services.lock("suggest");
  return await draftAutomatically(await client(), { policies, nowMs: services.now() });
}

/** Starts them; they end when this is disposed. */
export function runCompanions(services: AgentServices, clock: Clock = systemClock): RunCompanions {
  const { config, output } = services;
  const log = createLogger({ write: output.line, pretty: output.isTerminal });
  const stack = new DisposableStack();
  stack.use(keepLogSmall({
    clock,
    rotate: () => rotateLog(serviceLogPath(config.dataDir)),
    onFailure: (error) => log.warn("The log cannot be put aside", logFieldsOfError(error)),
  }));
  const client = pairedDrafts(services);
  const draft = () => draftOnce(services, client);
  const drafting = stack.use(new AutomaticDrafting({ draft, clock, log }));
  return { onState: (state) => drafting.notice(state), [Symbol.dispose]: () => stack.dispose() };
}

/** Owns what the menubar looks at and does, made of the agent's own services. */
import type { ResponseActionRequest } from "../../contract/responses.ts";
import { StartError } from "../../lib/lifecycle.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import { serverFault } from "../clients/server_faults.ts";
import { SETTINGS_PANES } from "../doctor/settings_pane.ts";
import type { MenubarWorld } from "../menubar/menubar_app.ts";
import type { MenubarInput, ServiceMode } from "../menubar/menubar_input.ts";
import type { CardRequest } from "../menubar/panel_server.ts";
import type { SuggestionCard } from "../menubar/view_model.ts";
import { isWorkHeld } from "../platform/instance_lock.ts";
import { installService, type ServiceStatus, serviceStatus } from "../service/agent_service.ts";
import { SERVICE_LABEL } from "../service/launch_agent_plist.ts";
import { openSuggestions } from "../suggest/open_suggestions.ts";
import { actOnSuggestion } from "../suggest/suggestion_action.ts";
import { continuePairing, pair } from "../sync/pairing.ts";
import type { PendingPairing } from "../sync/pairing_store.ts";
import { agentStateStore } from "../watch/agent_state.ts";
import type { AgentServices } from "./agent_services.ts";
import { examineAgent } from "./doctor_command.ts";
import { pairedDrafts } from "./paired_drafts.ts";
import { serviceDependencies } from "./service_command.ts";

export interface MenubarWorldOptions {
  services: AgentServices;
  copy: (text: string) => Promise<void>;
  quit: () => void;
}

const OPEN = "/usr/bin/open";

function serviceModeOf({ installation, job }: ServiceStatus): ServiceMode {
  if (installation === "none") return "none";
  return job === null ? "paused" : "loaded";
}

/** The pairing under way whose code can still be approved. */
async function pendingPairing({ pairing, now }: AgentServices): Promise<PendingPairing | null> {
  const stored = await pairing.records.load();
  const pending = stored.kind === "found" ? stored.state.pending : null;
  const isOpen = pending?.serverUrl === pairing.serverUrl && Date.parse(pending.expiresAt) > now();
  return isOpen ? pending : null;
}

async function look(services: AgentServices): ReturnType<MenubarWorld["look"]> {
  const { dataDir } = services.config;
  const stored = await agentStateStore(dataDir).load();
  return {
    agent: stored.kind === "found" ? stored.state : null,
    isRunning: await isWorkHeld(dataDir, "run"),
    service: serviceModeOf(await serviceStatus(serviceDependencies(services))),
    pairingCode: (await pendingPairing(services))?.code ?? null,
  } satisfies Pick<MenubarInput, "agent" | "isRunning" | "service" | "pairingCode">;
}

/** The first click begins a pairing; the next one, after the code was approved, ends it. */
async function pairOrContinue(services: AgentServices): Promise<string> {
  using _lock = await services.lock("pair");
  const outcome = await pendingPairing(services) === null
    ? await pair(services.pairing, await services.describeDevice())
    : await continuePairing(services.pairing);
  if (outcome.kind === "paired") return "This Mac is paired.";
  return `Approve the code ${outcome.pending.code} on a linked device or on the server, then choose Pair again.`;
}

function actionOf({ action, text }: CardRequest, { draft }: SuggestionCard): ResponseActionRequest {
  if (action === "dismiss") return { action: "reject" };
  if (text === "") {
    throw new StartError("There is nothing to send: write something, or dismiss the suggestion");
  }
  return text === draft ? { action: "accept" } : { action: "edit", editedResponse: text };
}

function acting(
  { services, copy }: MenubarWorldOptions,
  client: () => Promise<DraftClient>,
): MenubarWorld["act"] {
  return async (card, request) => {
    const action = actionOf(request, card);
    if (request.action === "copy") await copy(request.text);
    const send = request.action === "send" ? services.sending() : undefined;
    try {
      const { sending } = await actOnSuggestion(card, { action, client: await client(), send });
      if (sending !== null) return `${sending.message}.`;
    } catch (error) {
      throw serverFault(error, services.pairing.serverUrl);
    }
    return request.action === "copy" ? "Copied." : "Dismissed.";
  };
}

async function openTarget(services: AgentServices, target: "dashboard" | "full_disk_access"): Promise<void> {
  const url = target === "dashboard" ? services.config.serverUrl : SETTINGS_PANES.fullDiskAccess.url;
  const { code } = await services.commands.run([OPEN, url]);
  if (code !== 0) throw new StartError(`macOS could not open ${url}`);
}

/** Makes the menubar's world. */
export function menubarWorld(options: MenubarWorldOptions): MenubarWorld {
  const { services, quit } = options;
  const client = pairedDrafts(services);
  return {
    look: () => look(services),
    suggestions: async () => await openSuggestions(await client()),
    examine: () => examineAgent(services),
    pair: () => pairOrContinue(services),
    start: async () => void await installService(serviceDependencies(services)),
    pause: () => serviceDependencies(services).launchd.unload(SERVICE_LABEL),
    open: (target) => openTarget(services, target),
    act: acting(options, client),
    quit,
    now: services.now,
  };
}

/** The menubar's host, built on the agent's context: what the menubar looks at and can do. */
import { peopleNames } from "../../contacts/address_book.ts";
import { addressBookSignature } from "../../contacts/address_book_sources.ts";
import { SETTINGS_PANES } from "../../doctor/finding.ts";
import { UserError } from "../../../lib/errors.ts";
import { RemoteError, UnreachableError } from "../../../lib/http/client.ts";
import { requirePairing } from "../../pairing/pairing.ts";
import type { ServiceMode } from "../menubar_input.ts";
import type { MenubarHost } from "../menubar_host.ts";
import { isWorkHeld } from "../../platform/instance_lock.ts";
import { installService, type ServiceStatus, serviceStatus } from "../../service/agent_service.ts";
import { SERVICE_LABEL } from "../../service/launch_agent_plist.ts";
import { loadPolicies } from "../../suggest/conversation_policies.ts";
import { openSuggestions } from "../../suggest/suggestion.ts";
import { agentStateStore } from "../../run/agent_state.ts";
import type { AgentContext } from "../../cli/agent_context.ts";
import { examineAgent } from "../../cli/doctor_command.ts";
import { actOnCard } from "./suggestion_cards.ts";
import { pairingRecord, pairWith, pendingPairing, serverAddress } from "./host_pairing.ts";
import { openWithMac } from "../../platform/machine.ts";
import { pairedDrafts } from "../../cli/background_tasks.ts";
import { serviceDependencies } from "../../cli/service_command.ts";

export interface MenubarHostOptions {
  /** The agent's services for a server; by default the one that the settings or the pairing name. */
  servicesFor: (serverUrl: string | null) => AgentContext;
  copy: (text: string) => Promise<void>;
  quit: () => void;
}

function serviceModeOf({ installation, job }: ServiceStatus): ServiceMode {
  if (installation === "none") return "none";
  return job === null ? "paused" : "loaded";
}

async function look(services: AgentContext): ReturnType<MenubarHost["look"]> {
  const { dataDir, serverUrl } = services.config;
  const stored = await agentStateStore(dataDir).load();
  return {
    agent: stored.kind === "found" ? stored.state : null,
    isRunning: await isWorkHeld(dataDir, "run"),
    service: serviceModeOf(await serviceStatus(serviceDependencies(services))),
    isPaired: (await pairingRecord(services))?.active?.serverUrl === serverUrl,
    pairingCode: (await pendingPairing(services))?.code ?? null,
    serverUrl,
  };
}

/** Names of people, read again when Contacts has written. */
function cachedNames(): (services: AgentContext) => ReadonlyMap<string, string> {
  let known = { signature: "", names: new Map<string, string>() };
  return ({ config, readAddressBook }) => {
    const signature = addressBookSignature(config.addressBook);
    if (signature !== known.signature) known = { signature, names: peopleNames(readAddressBook()) };
    return known.names;
  };
}

/**
 * The address of the server's page. A code that signs the browser in is behind the `#`, which no browser sends to a
 * server; without one, where this Mac is not paired or the server does not answer, the page asks for it itself.
 */
async function signedInPage(services: AgentContext): Promise<string> {
  const { serverUrl } = services.config;
  try {
    const { token } = await requirePairing(services.pairing);
    const { code } = await services.probe(token).sessionCode();
    return `${serverUrl}/#code=${code}`;
  } catch (error) {
    const isExpected = error instanceof UserError || error instanceof RemoteError ||
      error instanceof UnreachableError;
    if (!isExpected) throw error;
    return serverUrl;
  }
}

/** Creates the menubar's host. */
export function menubarHost({ servicesFor, copy, quit }: MenubarHostOptions): MenubarHost {
  let services = servicesFor(null);
  let client = pairedDrafts(services);
  const names = cachedNames();
  return {
    look: () => look(services),
    suggestions: async () => await openSuggestions(await client(), loadPolicies(services.suggestions)),
    names: () => names(services),
    examine: () => examineAgent(services),
    async pair(address) {
      const serverUrl = address === null ? services.config.serverUrl : serverAddress(address);
      const chosen = serverUrl === services.config.serverUrl ? services : servicesFor(serverUrl);
      const result = await pairWith(chosen);
      // A server that could not be reached is not the one from now on.
      if (chosen !== services) [services, client] = [chosen, pairedDrafts(chosen)];
      return result;
    },
    start: async () => void await installService(serviceDependencies(services)),
    pause: () => serviceDependencies(services).launchd.unload(SERVICE_LABEL),
    async open(target) {
      if (target !== "serverPage") return await openWithMac(services, [SETTINGS_PANES[target].url]);
      // A failure names the server alone: the code that signs a browser in is for nobody to read.
      await openWithMac(services, [await signedInPage(services)], { name: services.config.serverUrl });
    },
    act: (card, request) => actOnCard({ services, copy, client }, { card, request }),
    quit,
    now: () => services.now(),
  };
}

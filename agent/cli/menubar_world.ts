/** Owns what the menubar looks at and does, made of the agent's own services. */
import type { ResponseActionRequest } from "../../contract/responses.ts";
import { httpUrl } from "../../lib/config.ts";
import { StartError } from "../../lib/lifecycle.ts";
import { serverFault } from "../clients/server_faults.ts";
import { peopleNames } from "../contacts/people_names.ts";
import { addressBookSignature } from "../contacts/address_book_signature.ts";
import { SETTINGS_PANES } from "../doctor/settings_pane.ts";
import type { CardOutcome, MenubarWorld } from "../menubar/menubar_app.ts";
import type { ServiceMode } from "../menubar/menubar_input.ts";
import type { CardRequest } from "../menubar/panel_server.ts";
import type { SuggestionCard } from "../menubar/suggestion_card.ts";
import { isWorkHeld } from "../platform/instance_lock.ts";
import { installService, type ServiceStatus, serviceStatus } from "../service/agent_service.ts";
import { SERVICE_LABEL } from "../service/launch_agent_plist.ts";
import { loadPolicies } from "../suggest/conversation_policies.ts";
import { openSuggestions } from "../suggest/open_suggestions.ts";
import { actOnSuggestion } from "../suggest/suggestion_action.ts";
import { continuePairing, pair, type PairingOutcome } from "../sync/pairing.ts";
import type { PairingRecord, PendingPairing } from "../sync/pairing_store.ts";
import { agentStateStore } from "../watch/agent_state.ts";
import type { AgentServices } from "./agent_services.ts";
import { examineAgent } from "./doctor_command.ts";
import { pairedDrafts } from "./paired_drafts.ts";
import { serviceDependencies } from "./service_command.ts";

export interface MenubarWorldOptions {
  /** The agent's services for a server; by default the one that the settings or the pairing name. */
  servicesFor: (serverUrl: string | null) => AgentServices;
  copy: (text: string) => Promise<void>;
  quit: () => void;
}

const OPEN = "/usr/bin/open";
/** Messages, by its bundle identifier. */
const MESSAGES_APP = "com.apple.MobileSMS";
/** Addresses that can stand in a link to Messages as they are. */
const PHONE = /^\+?\d+$/;
const EMAIL = /^[\w.+-]+@[\w.-]+$/;
/** Longer words stay on the clipboard alone. */
const MAX_URL_LENGTH = 2_000;

function serviceModeOf({ installation, job }: ServiceStatus): ServiceMode {
  if (installation === "none") return "none";
  return job === null ? "paused" : "loaded";
}

async function pairingRecord({ pairing }: AgentServices): Promise<PairingRecord | null> {
  const stored = await pairing.records.load();
  return stored.kind === "found" ? stored.state : null;
}

/** The pairing under way whose code can still be approved. */
async function pendingPairing(services: AgentServices): Promise<PendingPairing | null> {
  const pending = (await pairingRecord(services))?.pending ?? null;
  const isOpen = pending?.serverUrl === services.pairing.serverUrl &&
    Date.parse(pending.expiresAt) > services.now();
  return isOpen ? pending : null;
}

async function look(services: AgentServices): ReturnType<MenubarWorld["look"]> {
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

/** The server's address in what was typed or pasted: a link to any of its pages will do. */
function serverAddress(typed: string): string {
  const url = /^https?:\/\//i.test(typed) ? typed : `http://${typed}`;
  if (!URL.canParse(url)) {
    throw new StartError(`The address of the server cannot be ${JSON.stringify(typed)}`);
  }
  return httpUrl(new URL(url).origin);
}

/** The first click begins a pairing; the next one, after the code was approved, ends it. */
async function pairOrContinue(services: AgentServices): Promise<PairingOutcome> {
  using _lock = await services.lock("pair");
  return await pendingPairing(services) === null
    ? await pair(services.pairing, await services.describeDevice())
    : await continuePairing(services.pairing);
}

/** A service that was installed for another server is installed anew. */
async function followPairing(services: AgentServices): Promise<void> {
  const dependencies = serviceDependencies(services);
  const { installation } = await serviceStatus(dependencies);
  if (installation === "outdated") await installService(dependencies);
}

async function pairWith(services: AgentServices): Promise<string> {
  const outcome = await pairOrContinue(services);
  if (outcome.kind !== "paired") return "The code is not approved yet.";
  await followPairing(services);
  return "This Mac is paired.";
}

/** Names of people, read anew when Contacts has written. */
function cachedNames(): (services: AgentServices) => ReadonlyMap<string, string> {
  let known = { signature: "", names: new Map<string, string>() };
  return ({ config, readAddressBook }) => {
    const signature = addressBookSignature(config.addressBook);
    if (signature !== known.signature) known = { signature, names: peopleNames(readAddressBook()) };
    return known.names;
  };
}

function actionOf({ action, text }: CardRequest, { draft }: SuggestionCard): ResponseActionRequest {
  if (action === "dismiss") return { action: "reject" };
  if (text === "") {
    throw new StartError("There are no words: write something, or dismiss the suggestion");
  }
  return text === draft ? { action: "accept" } : { action: "edit", editedResponse: text };
}

async function openUrl({ commands }: AgentServices, args: readonly string[]): Promise<void> {
  const { code } = await commands.run([OPEN, ...args]);
  if (code !== 0) throw new StartError(`macOS could not open ${args[0] === "-b" ? "Messages" : args[0]}`);
}

/** Messages with the chat open, and the words in its field where macOS takes them from an address. */
function composeArguments({ address }: SuggestionCard, text: string): readonly string[] {
  const scheme = PHONE.test(address ?? "") ? "sms" : EMAIL.test(address ?? "") ? "imessage" : null;
  if (scheme === null) return ["-b", MESSAGES_APP];
  const url = `${scheme}:${address}&body=${encodeURIComponent(text)}`;
  return [url.length > MAX_URL_LENGTH ? `${scheme}:${address}` : url];
}

const DONE: Record<Exclude<CardRequest["action"], "send">, string> = {
  copy: "Copied.",
  insert: "Messages is open. If the words are not in its field yet, paste them: they are on the clipboard.",
  dismiss: "Dismissed.",
};

interface CardContext {
  services: AgentServices;
  copy: MenubarWorldOptions["copy"];
  client: ReturnType<typeof pairedDrafts>;
}

async function act(
  { services, copy, client }: CardContext,
  { card, request }: { card: SuggestionCard; request: CardRequest },
): Promise<CardOutcome> {
  const action = actionOf(request, card);
  if (request.action === "copy" || request.action === "insert") await copy(request.text);
  if (request.action === "copy" && card.state === "unsent") return { notice: DONE.copy, isUnsent: true };
  const send = request.action === "send" ? services.sending() : undefined;
  try {
    const { sending } = await actOnSuggestion(card, { action, client: await client(), send });
    if (sending !== null) return { notice: `${sending.message}.`, isUnsent: sending.kind === "failed" };
  } catch (error) {
    throw serverFault(error, services.pairing.serverUrl);
  }
  if (request.action === "insert") await openUrl(services, composeArguments(card, request.text));
  return { notice: request.action === "send" ? "" : DONE[request.action], isUnsent: false };
}

/** Makes the menubar's world. */
export function menubarWorld({ servicesFor, copy, quit }: MenubarWorldOptions): MenubarWorld {
  let services = servicesFor(null);
  let client = pairedDrafts(services);
  const names = cachedNames();
  return {
    look: () => look(services),
    suggestions: async () =>
      await openSuggestions(await client(), await loadPolicies(services.suggestions.policies)),
    names: () => names(services),
    examine: () => examineAgent(services),
    pair(address) {
      const serverUrl = address === null ? services.config.serverUrl : serverAddress(address);
      if (serverUrl !== services.config.serverUrl) {
        services = servicesFor(serverUrl);
        client = pairedDrafts(services);
      }
      return pairWith(services);
    },
    start: async () => void await installService(serviceDependencies(services)),
    pause: () => serviceDependencies(services).launchd.unload(SERVICE_LABEL),
    open: (target) =>
      openUrl(services, [target === "dashboard" ? services.config.serverUrl : SETTINGS_PANES[target].url]),
    act: (card, request) => act({ services, copy, client }, { card, request }),
    quit,
    now: () => services.now(),
  };
}

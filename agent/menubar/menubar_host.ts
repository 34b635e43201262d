/** What the menubar needs from the program around it. */
import type { Finding } from "../doctor/finding.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { MenubarInput } from "./menubar_input.ts";
import type { CardRequest, PaneName } from "./panel_server.ts";
import type { SuggestionCard } from "./suggestion_card.ts";

/** What came of a card's button. `unsent`: it is recorded and certainly not sent, and can be tried again. */
export interface CardOutcome {
  readonly notice: string;
  readonly isUnsent: boolean;
}

/** What the menubar looks at and can do; put together by `agent/desktop.ts`. */
export interface MenubarHost {
  /** The agent's own state. */
  look(): Promise<
    Pick<MenubarInput, "agent" | "isRunning" | "service" | "isPaired" | "pairingCode" | "serverUrl">
  >;
  /** Throws when the server cannot be asked. */
  suggestions(): Promise<Suggestion[]>;
  /** Names of people by their address. */
  names(): MenubarInput["names"];
  examine(): Promise<Finding[]>;
  /** Pairs with the server at an address, by default the one it knows. Returns what to tell the person. */
  pair(address: string | null): Promise<string>;
  /** Installs the service, or loads it again. */
  start(): Promise<void>;
  pause(): Promise<void>;
  open(target: "serverPage" | PaneName): Promise<void>;
  /** Does what a card's button asks for. */
  act(card: SuggestionCard, request: CardRequest): Promise<CardOutcome>;
  quit(): void;
  /** The present, in Unix time. */
  now(): number;
}

/** Owns the menubar's life: looks at the agent now and then, shows what it finds, and does what is clicked. */
import { delay } from "../../lib/backoff.ts";
import { messageOf } from "../../lib/errors.ts";
import { StartError } from "../../lib/lifecycle.ts";
import type { Finding } from "../doctor/finding.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { MenubarInput } from "./menubar_input.ts";
import type { CardRequest } from "./panel_server.ts";
import type { MenubarTray } from "./tray.ts";
import { type MenubarAction, type MenubarView, menubarView, type SuggestionCard } from "./view_model.ts";

/** What the menubar looks at and can do; put together by `agent/desktop.ts`. */
export interface MenubarWorld {
  /** The agent's own state. */
  look(): Promise<Pick<MenubarInput, "agent" | "isRunning" | "service" | "pairingCode">>;
  /** Throws when the server cannot be asked. */
  suggestions(): Promise<Suggestion[]>;
  examine(): Promise<Finding[]>;
  /** Returns what to tell the person. */
  pair(): Promise<string>;
  /** Installs the service, or loads it again. */
  start(): Promise<void>;
  pause(): Promise<void>;
  open(target: "dashboard" | "full_disk_access"): Promise<void>;
  /** Does what a card's button asks for; returns what to tell the person. */
  act(card: SuggestionCard, request: CardRequest): Promise<string>;
  quit(): void;
  /** The present, in Unix time. */
  now(): number;
}

const LOOK_INTERVAL_MS = 5_000;

const EMPTY: Omit<MenubarInput, "nowMs"> = {
  agent: null,
  isRunning: false,
  service: "none",
  suggestions: [],
  pairingCode: null,
  findings: null,
  notice: null,
};

/** What a fault says to the person: a sentence that was made for one, or none of its own words. */
function noticeOf(error: unknown): string {
  return error instanceof StartError ? `${messageOf(error)}.` : "That did not work: see the agent's log.";
}

/** The menubar between two looks. */
export class MenubarApp {
  readonly #world: MenubarWorld;
  #facts: Omit<MenubarInput, "nowMs"> = EMPTY;
  #tray: MenubarTray | null = null;

  constructor(world: MenubarWorld) {
    this.#world = world;
  }

  get view(): MenubarView {
    return menubarView({ ...this.#facts, nowMs: this.#world.now() });
  }

  /** From now on the tray shows what is found. */
  attach(tray: MenubarTray): void {
    this.#tray = tray;
    tray.show(this.view);
  }

  /** Looks at everything once. Suggestions stay as they were while the server cannot be asked. */
  async refresh(): Promise<void> {
    const look = await this.#world.look();
    const canAsk = look.isRunning && look.agent?.phase === "watching";
    const suggestions = canAsk
      ? await this.#world.suggestions().catch(() => this.#facts.suggestions)
      : this.#facts.suggestions;
    this.#show({ ...look, suggestions });
  }

  /** Looks again and again until the signal aborts. A look that fails leaves what was shown, and is made again. */
  async run(signal: AbortSignal, options: { intervalMs?: number } = {}): Promise<void> {
    const { intervalMs = LOOK_INTERVAL_MS } = options;
    while (!signal.aborted) {
      await this.refresh().catch((error) => this.#show({ notice: noticeOf(error) }));
      await delay(intervalMs, { signal }).catch(() => {});
    }
  }

  /** Does what was clicked; a fault becomes a notice in the panel. */
  async perform(action: MenubarAction): Promise<void> {
    try {
      await this.#do(action);
    } catch (error) {
      this.#tell(noticeOf(error));
    }
  }

  /** Does what a card's button asks for. A card that is gone was acted on already. */
  async act(request: CardRequest): Promise<void> {
    const card = this.view.panel.cards.find(({ responseId }) => responseId === request.responseId);
    if (card === undefined) return this.#show({ notice: "That suggestion is gone." });
    try {
      const notice = await this.#world.act(card, request);
      const suggestions = this.#facts.suggestions.filter(({ responseId }) => responseId !== card.responseId);
      this.#show({ suggestions, notice });
    } catch (error) {
      this.#show({ notice: noticeOf(error) });
    }
  }

  async #do(action: MenubarAction): Promise<void> {
    const world = this.#world;
    switch (action) {
      case "show_suggestions":
        return this.#tray?.showPanel();
      case "pair":
        return this.#tell(await world.pair());
      case "open_full_disk_access":
        return await world.open("full_disk_access");
      case "open_dashboard":
        return await world.open("dashboard");
      case "start":
      case "resume":
        await world.start();
        return await this.refresh();
      case "pause":
        await world.pause();
        return await this.refresh();
      case "doctor": {
        const findings = await world.examine();
        const isWell = findings.every(({ status }) => status === "ok");
        this.#show({ findings });
        return this.#tell(
          isWell ? "The doctor found nothing to mend." : "The doctor found something to mend.",
        );
      }
      case "quit":
        return world.quit();
    }
  }

  /** Shows a notice where the person can see it. */
  #tell(notice: string): void {
    this.#show({ notice });
    this.#tray?.refreshPanel();
    this.#tray?.showPanel();
  }

  #show(change: Partial<typeof EMPTY>): void {
    this.#facts = { ...this.#facts, ...change };
    this.#tray?.show(this.view);
  }
}

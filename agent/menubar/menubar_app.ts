/** The menubar app: looks at the agent periodically, shows what it finds, and does what is clicked. */
import { delay } from "../../lib/backoff.ts";
import { messageOf, UserError } from "../../lib/errors.ts";
import type { Suggestion } from "../suggest/suggestion.ts";
import type { MenubarAction } from "./menubar_actions.ts";
import { EMPTY_INPUT, type MenubarFacts, type UnsentReply } from "./menubar_input.ts";
import type { CardRequest, PanelRequest } from "./panel_server.ts";
import type { SuggestionCard } from "./suggestion_card.ts";
import type { MenubarTray } from "./tray.ts";
import { type MenubarView, menubarView } from "./view_model.ts";
import type { MenubarHost } from "./menubar_host.ts";

const LOOK_INTERVAL_MS = 5_000;
/** The server is asked for suggestions when the agent has synced, and else so often. */
const ASK_INTERVAL_MS = 15_000;

/** The text of an error that was written for the person; any other error's own words may quote anything. */
function noticeOf(error: unknown): string {
  if (!(error instanceof UserError)) return "That did not work. See the agent's log.";
  return error.fix === null ? `${error.message}.` : messageOf(error);
}

/** The menubar between two looks. */
export class MenubarApp {
  readonly #host: MenubarHost;
  #facts: MenubarFacts = EMPTY_INPUT;
  #tray: MenubarTray | null = null;
  /** Drafts that the person is done with, by id. */
  readonly #acted = new Set<string>();
  #asked: { atMs: number; syncAt: string | null } | null = null;

  constructor(host: MenubarHost) {
    this.#host = host;
  }

  get view(): MenubarView {
    return menubarView({ ...this.#facts, nowMs: this.#host.now() });
  }

  /** From now on the tray shows what is found. */
  attach(tray: MenubarTray): void {
    this.#tray = tray;
    tray.show(this.view);
  }

  /** Looks at everything once. Suggestions stay as they were while the server cannot be asked. */
  async refresh(): Promise<void> {
    const look = await this.#host.look();
    const syncAt = look.agent?.lastSyncAt ?? null;
    if (look.isRunning && look.agent?.phase === "watching" && this.#isTimeToAsk(syncAt)) {
      const suggestions = await this.#host.suggestions().catch(() => this.#facts.suggestions);
      this.#asked = { atMs: this.#host.now(), syncAt };
      this.#show({ ...look, suggestions: suggestions.filter(this.#isNew), names: this.#host.names() });
    } else {
      this.#show(look);
    }
  }

  /** Looks again and again until the signal aborts. A look that fails leaves what was shown, and is made again. */
  async run(signal: AbortSignal, options: { intervalMs?: number } = {}): Promise<void> {
    const { intervalMs = LOOK_INTERVAL_MS } = options;
    while (!signal.aborted) {
      await this.refresh().catch((error) => this.#notice(noticeOf(error)));
      await delay(intervalMs, { signal }).catch(() => {});
    }
  }

  /** Does what was clicked in the panel; a fault becomes a notice in it. */
  async perform(request: PanelRequest): Promise<void> {
    try {
      if (request.kind === "card") await this.#act(request.card);
      else if (request.kind === "settings") await this.#host.open(request.pane);
      else await this.#do(request.action, request.address);
    } catch (error) {
      this.#notice(noticeOf(error));
    }
  }

  /** Does what was clicked in the menu, and opens the panel where it has something to tell. */
  async choose(action: MenubarAction): Promise<void> {
    const before = this.#facts.notice;
    const performed = this.perform({ kind: "menu", action, address: null });
    if (action === "show_suggestions" || action === "doctor") this.#tray?.showPanel();
    await performed;
    if (this.#facts.notice !== before) this.#tray?.showPanel();
  }

  #isTimeToAsk(syncAt: string | null): boolean {
    if (this.#asked === null || this.#asked.syncAt !== syncAt) return true;
    return this.#host.now() - this.#asked.atMs >= ASK_INTERVAL_MS;
  }

  /** What the server answered may be older than what the person did meanwhile. */
  readonly #isNew = ({ responseId }: Suggestion): boolean =>
    !this.#acted.has(responseId) &&
    this.#facts.unsent.every(({ suggestion }) => suggestion.responseId !== responseId);

  /** A card is acted on once at a time: the person may click again before the first click has its effect. */
  async #act(request: CardRequest): Promise<void> {
    const card = this.view.panel.cards.find(({ responseId }) => responseId === request.responseId);
    if (card === undefined) return this.#notice("That suggestion is gone.");
    if (this.#facts.busy !== null) return;
    if (card.state === "unsent" && request.action === "dismiss") return this.#forget(card);
    this.#show({ busy: card.responseId, notice: null });
    try {
      const { notice, isUnsent } = await this.#host.act(card, request);
      if (isUnsent) this.#keep(card, request.text);
      else this.#forget(card);
      this.#notice(notice);
    } finally {
      this.#show({ busy: null });
    }
  }

  #forget({ responseId }: SuggestionCard): void {
    this.#acted.add(responseId);
    this.#show({
      suggestions: this.#facts.suggestions.filter((suggestion) => suggestion.responseId !== responseId),
      unsent: this.#facts.unsent.filter(({ suggestion }) => suggestion.responseId !== responseId),
    });
  }

  #keep({ responseId }: SuggestionCard, text: string): void {
    const { suggestions, unsent } = this.#facts;
    const suggestion = suggestions.find((known) => known.responseId === responseId);
    if (suggestion === undefined) return; // It is among the unsent already.
    const kept: UnsentReply = { suggestion, text };
    this.#show({
      suggestions: suggestions.filter((known) => known !== suggestion),
      unsent: [kept, ...unsent],
    });
  }

  async #do(action: MenubarAction, address: string | null): Promise<void> {
    const host = this.#host;
    switch (action) {
      case "show_suggestions":
        return;
      case "pair":
        this.#notice(await host.pair(address));
        return await this.refresh();
      case "open_full_disk_access":
        return await host.open("fullDiskAccess");
      case "open_server_page":
        return await host.open("serverPage");
      case "start":
      case "resume":
        await host.start();
        return await this.refresh();
      case "pause":
        await host.pause();
        return await this.refresh();
      case "doctor":
        return await this.#examine();
      case "quit":
        return host.quit();
    }
  }

  async #examine(): Promise<void> {
    if (this.#facts.busy !== null) return;
    this.#show({ busy: "doctor", findings: null, notice: null });
    this.#notice("The doctor is running…");
    try {
      const findings = await this.#host.examine();
      const isWell = findings.every(({ status }) => status === "ok");
      this.#show({ findings });
      this.#notice(isWell ? "The doctor found nothing to fix." : "The doctor found something to fix.");
    } finally {
      this.#show({ busy: null });
    }
  }

  #notice(text: string): void {
    this.#show({ notice: { text, atMs: this.#host.now() } });
  }

  #show(change: Partial<MenubarFacts>): void {
    this.#facts = { ...this.#facts, ...change };
    this.#tray?.show(this.view);
  }
}

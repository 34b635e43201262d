/// <reference lib="deno.desktop" />
/**
 * A desktop runtime for tests. It follows the declared types, and does what makes a tray-only app hard: the first
 * window is the runtime's own and is shown when its page has loaded, and closing the last window ends the app.
 */
import assert from "node:assert/strict";
import type { Desktop } from "../../../agent/menubar/tray.ts";

/** What the person sees of the app, and what it was asked to do. */
export interface DesktopRecord {
  /** In the order in which they were made; the first is the runtime's own. */
  readonly windows: FakeWindow[];
  readonly trays: FakeTray[];
  dock: FakeDock | null;
  isDockVisible: boolean;
  hasEnded: boolean;
}

type Listener = EventListenerOrEventListenerObject;
/** The events of a tray and of the dock carry their own details, which only the declared overloads name. */
type AnyListener = Listener | ((event: never) => unknown) | null;

class FakeWindow extends EventTarget implements Deno.BrowserWindow {
  onkeydown = null;
  onkeyup = null;
  onmousedown = null;
  onmouseup = null;
  onclick = null;
  ondblclick = null;
  onmousemove = null;
  onmouseenter = null;
  onmouseleave = null;
  onwheel = null;
  onfocus = null;
  onblur = null;
  onresize = null;
  onmove = null;
  onload = null;
  onclose = null;
  onmenuclick = null;
  oncontextmenuclick = null;
  readonly windowId: number;
  readonly navigations: string[] = [];
  reloads = 0;
  #isVisible: boolean;
  #isClosed = false;

  constructor(readonly options: Deno.BrowserWindowOptions, readonly record: DesktopRecord) {
    super();
    this.windowId = record.windows.push(this);
    this.#isVisible = false;
  }

  get isFirst(): boolean {
    return this.windowId === 1;
  }

  /** The page has loaded: the runtime shows its first window, then reports it. */
  finishLoading(): void {
    if (this.isFirst) this.#isVisible = true;
    this.dispatchEvent(new Event("load"));
  }

  /** The person closes the window; without another one the app ends. */
  pressClose(): void {
    if (!this.dispatchEvent(new Event("close", { cancelable: true }))) return;
    this.close();
    if (this.record.windows.every((window) => window.isClosed())) this.record.hasEnded = true;
  }

  close(): void {
    this.#isClosed = true;
    this.#isVisible = false;
  }

  show(): void {
    assert.ok(!this.#isClosed, "a closed window cannot be shown");
    this.#isVisible = true;
  }

  hide(): void {
    this.#isVisible = false;
  }

  isVisible(): boolean {
    return this.#isVisible;
  }

  isClosed(): boolean {
    return this.#isClosed;
  }

  navigate(url: string): void {
    this.navigations.push(url);
  }

  reload(): void {
    this.reloads++;
  }

  focus(): void {}
  bind(): void {}
  unbind(): void {}
  executeJs(): Promise<null> {
    return Promise.resolve(null);
  }
  setTitle(): void {}
  getSize(): [number, number] {
    return [this.options.width ?? 800, this.options.height ?? 600];
  }
  setSize(): void {}
  getPosition(): [number, number] {
    return [0, 0];
  }
  setPosition(): void {}
  isResizable(): boolean {
    return true;
  }
  setResizable(): void {}
  isAlwaysOnTop(): boolean {
    return false;
  }
  setAlwaysOnTop(): void {}
  getOpacity(): number {
    return 1;
  }
  setOpacity(): void {}
  openDevtools(): void {}
  setApplicationMenu(): void {}
  showContextMenu(): void {}
  getNativeWindow(): never {
    throw new TypeError("There is no surface in a test");
  }
  override addEventListener(
    type: string,
    listener: Listener,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as Listener | null, options);
  }
  override removeEventListener(
    type: string,
    listener: Listener,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as Listener | null, options);
  }
}

class FakePanel implements Deno.TrayPanel {
  isDestroyed = false;
  constructor(readonly window: FakeWindow) {}

  get visible(): boolean {
    return this.window.isVisible();
  }
  show(): void {
    this.window.show();
  }
  hide(): void {
    this.window.hide();
  }
  toggle(): void {
    if (this.visible) this.hide();
    else this.show();
  }
  destroy(): void {
    this.isDestroyed = true;
    this.window.close();
  }
}

class FakeTray extends EventTarget implements Deno.Tray {
  onclick = null;
  ondblclick = null;
  onmenuclick = null;
  readonly trayId: number;
  icon: Uint8Array | null = null;
  tooltip: string | null = null;
  /** Each menu that was set, in order. */
  readonly menus: Deno.MenuItem[][] = [];
  panel: FakePanel | null = null;
  isDestroyed = false;

  constructor(readonly record: DesktopRecord, { isSupported }: { isSupported: boolean }) {
    super();
    this.trayId = isSupported ? record.trays.push(this) : 0;
  }

  get menu(): Deno.MenuItem[] {
    return this.menus.at(-1) ?? [];
  }

  /** The person chooses an item of the menu. */
  choose(id: string): void {
    const item = this.menu.find((entry) =>
      typeof entry === "object" && "item" in entry && entry.item.id === id
    );
    assert.ok(
      typeof item === "object" && "item" in item && item.item.enabled,
      `the menu has no ${id} to choose`,
    );
    this.dispatchEvent(new CustomEvent("menuclick", { detail: { id } }));
  }

  setIcon(pngBytes: Uint8Array): void {
    this.icon = pngBytes;
  }
  setIconDark(): void {}
  setTooltip(text: string | null): void {
    this.tooltip = text;
  }
  setMenu(menu: Deno.MenuItem[] | null): void {
    this.menus.push(menu ?? []);
  }
  getBounds(): Deno.TrayBounds {
    return { x: 100, y: 0, width: 18, height: 22 };
  }
  attachPanel(options: Deno.TrayPanelOptions | string): FakePanel {
    const { url = "" } = typeof options === "string" ? { url: options } : options;
    const window = new FakeWindow({ frameless: true, noActivate: true }, this.record);
    window.navigate(url);
    this.panel = new FakePanel(window);
    this.addEventListener("click", () => this.panel?.toggle());
    return this.panel;
  }
  destroy(): void {
    this.isDestroyed = true;
  }
  [Symbol.dispose](): void {
    this.destroy();
  }
  override addEventListener(
    type: string,
    listener: AnyListener,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as Listener | null, options);
  }
  override removeEventListener(
    type: string,
    listener: AnyListener,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as Listener | null, options);
  }
}

class FakeDock extends EventTarget implements Deno.Dock {
  onmenuclick = null;
  onreopen = null;
  constructor(readonly record: DesktopRecord) {
    super();
  }
  setVisible(visible: boolean): void {
    this.record.isDockVisible = visible;
  }
  setBadge(): void {}
  bounce(): void {}
  setMenu(): void {}
  override addEventListener(
    type: string,
    listener: AnyListener,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as Listener | null, options);
  }
  override removeEventListener(
    type: string,
    listener: AnyListener,
    options?: boolean | EventListenerOptions,
  ): void {
    super.removeEventListener(type, listener as Listener | null, options);
  }
}

/** A desktop, and the record of what happens on it. */
export function fakeDesktop({ isSupported = true } = {}): { desktop: Desktop; record: DesktopRecord } {
  const record: DesktopRecord = { windows: [], trays: [], dock: null, isDockVisible: true, hasEnded: false };
  record.dock = new FakeDock(record);
  const desktop: Desktop = {
    dock: record.dock,
    Tray: class extends FakeTray {
      constructor() {
        super(record, { isSupported });
      }
    },
    BrowserWindow: class extends FakeWindow {
      constructor(options: Deno.BrowserWindowOptions = {}) {
        super(options, record);
      }
    },
  };
  return { desktop, record };
}

/** Answers the panel's requests. Any program on this Mac can send one, so only those with the key are answered. */
import { timingSafeEqual } from "node:crypto";
import { SETTINGS_PANES } from "../doctor/finding.ts";
import { type MenubarAction, menubarActionOf } from "./menubar_actions.ts";
import { CARD_ACTIONS, type CardAction, PANEL_HEADERS, panelHtml } from "./panel_page.ts";
import type { PanelView } from "./view_model.ts";

export type PaneName = keyof typeof SETTINGS_PANES;

/** What the person did with a card. */
export interface CardRequest {
  action: CardAction;
  responseId: string;
  /** The words as they stood in the card. */
  text: string;
}

/** What a button of the panel asks for. */
export type PanelRequest =
  | { readonly kind: "card"; readonly card: CardRequest }
  | { readonly kind: "menu"; readonly action: MenubarAction; readonly address: string | null }
  | { readonly kind: "settings"; readonly pane: PaneName };

export interface PanelServerOptions {
  /** A secret of this run. */
  key: string;
  panel: () => PanelView;
  /** Does it; what came of it is in the next panel. */
  perform: (request: PanelRequest) => Promise<void>;
  /** Waits a little for what is quick, so that the next panel has its outcome; a test passes its own. */
  patience: () => Promise<void>;
}

/** Longer than any messages that one would write by hand. */
const MAX_FORM_BYTES = 1024 * 1024;

/** Where the panel is, seen from the server's address. */
export function panelPath(key: string): string {
  return `/panel?${new URLSearchParams({ key })}`;
}

function isKey(given: string | null, key: string): boolean {
  const [bytes, expected] = [given ?? "", key].map((text) => new TextEncoder().encode(text));
  return bytes?.length === expected?.length &&
    timingSafeEqual(bytes ?? new Uint8Array(), expected ?? new Uint8Array());
}

function page(body: string, status = 200): Response {
  return new Response(body, { status, headers: PANEL_HEADERS });
}

/** A browser ends the lines of a form with CR LF. */
function wordsOf(form: URLSearchParams, field: string): string {
  return (form.get(field) ?? "").replaceAll("\r\n", "\n").trim();
}

/** The request of a button's value, `verb:object`; null when there is no such button. */
function requestOf(form: URLSearchParams): PanelRequest | null {
  const [verb = "", ...rest] = (form.get("do") ?? "").split(":");
  const object = rest.join(":");
  if (verb === "menu") {
    const action = menubarActionOf(object);
    return action && { kind: "menu", action, address: wordsOf(form, "address") || null };
  }
  if (verb === "settings") {
    return Object.hasOwn(SETTINGS_PANES, object) ? { kind: "settings", pane: object as PaneName } : null;
  }
  const action = CARD_ACTIONS.find((known) => known === verb);
  if (action === undefined || object === "") return null;
  return { kind: "card", card: { action, responseId: object, text: wordsOf(form, `text:${object}`) } };
}

/** What stands in the fields and is no longer the draft; of cards that are gone nothing is kept. */
function editsOf(form: URLSearchParams, { cards }: PanelView): Map<string, string> {
  const edits = new Map<string, string>();
  for (const { responseId, draft } of cards) {
    const field = `text:${responseId}`;
    if (form.has(field) && wordsOf(form, field) !== draft) edits.set(responseId, wordsOf(form, field));
  }
  return edits;
}

/** Makes the handler. `/` is empty: the runtime loads it into a window that nobody sees. */
export function panelHandler(options: PanelServerOptions): (request: Request) => Promise<Response> {
  const { key, panel, perform, patience } = options;
  let edits: ReadonlyMap<string, string> = new Map();

  async function done(request: Request): Promise<Response> {
    if (Number(request.headers.get("content-length")) > MAX_FORM_BYTES) return page("", 413);
    const body = await request.bytes();
    const form = new URLSearchParams(new TextDecoder().decode(body.subarray(0, MAX_FORM_BYTES)));
    if (!isKey(form.get("key"), key)) return page("", 404);
    const wanted = body.length > MAX_FORM_BYTES ? null : requestOf(form);
    if (wanted === null) return page("", 400);
    edits = editsOf(form, panel());
    await Promise.race([perform(wanted), patience()]);
    return new Response(null, { status: 303, headers: { ...PANEL_HEADERS, location: panelPath(key) } });
  }

  return async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const route = `${request.method} ${pathname}`;
    if (route === "GET /") return page("<!doctype html><title>Conversation Assistant</title>");
    if (route === "POST /do") return await done(request);
    if (route !== "GET /panel" || !isKey(searchParams.get("key"), key)) return page("", 404);
    return page(panelHtml(panel(), { key, edits }));
  };
}

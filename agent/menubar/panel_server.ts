/** Owns answering the panel's own requests. Any program of this Mac can ask, so only who brings the key is answered. */
import { timingSafeEqual } from "node:crypto";
import { CARD_ACTIONS, type CardAction, PANEL_HEADERS, panelHtml } from "./panel_page.ts";
import type { PanelView } from "./view_model.ts";

/** What the person did with a card. */
export interface CardRequest {
  action: CardAction;
  responseId: string;
  /** The words as they stood in the card. */
  text: string;
}

export interface PanelServerOptions {
  /** A secret of this run. */
  key: string;
  panel: () => PanelView;
  /** Does it; what came of it is in the next panel. */
  act: (request: CardRequest) => Promise<void>;
}

/** Longer than any message that one would write by hand. */
const MAX_FORM_BYTES = 256 * 1024;

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
function cardRequestOf(form: URLSearchParams): CardRequest | null {
  const action = CARD_ACTIONS.find((known) => known === form.get("action"));
  const responseId = form.get("response");
  if (action === undefined || responseId === null) return null;
  return { action, responseId, text: (form.get("text") ?? "").replaceAll("\r\n", "\n").trim() };
}

async function acted(request: Request, { key, act }: PanelServerOptions): Promise<Response> {
  const body = await request.bytes();
  const form = new URLSearchParams(new TextDecoder().decode(body.subarray(0, MAX_FORM_BYTES)));
  if (!isKey(form.get("key"), key)) return page("", 404);
  const card = body.length > MAX_FORM_BYTES ? null : cardRequestOf(form);
  if (card === null) return page("", 400);
  await act(card);
  return new Response(null, { status: 303, headers: { ...PANEL_HEADERS, location: panelPath(key) } });
}

/** Makes the handler. `/` is empty: the runtime loads it into a window that nobody sees. */
export function panelHandler(options: PanelServerOptions): (request: Request) => Promise<Response> {
  const { key, panel } = options;
  return async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const route = `${request.method} ${pathname}`;
    if (route === "GET /") return page("<!doctype html><title>Conversation Assistant</title>");
    if (route === "POST /act") return await acted(request, options);
    if (route !== "GET /panel" || !isKey(searchParams.get("key"), key)) return page("", 404);
    return page(panelHtml(panel(), key));
  };
}

/** The draft of one reply, from the request for it to what the person did with it. */
import { signal } from "@preact/signals";
import type { EventMessage } from "../../../contract/events.ts";
import { pathOf, SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type GeneratedResponse,
  generatedResponseSchema,
  type ResponseActionRequest,
  responseActionResponseSchema,
  responseListSchema,
  responseRecordSchema,
} from "../../../contract/responses.ts";
import { request, RequestError, requestText, sentenceOf } from "../client/api.ts";
import { STRINGS } from "../strings.ts";

/** Drafts to choose from, at most; such a draft does not grow on the page, since which is the best is known at the end. */
export const CANDIDATES = 3;

type DraftEvent = Extract<EventMessage, { event: "response:completed" | "response:acted" }>;

export type DraftState =
  | { readonly step: "idle" }
  | { readonly step: "writing"; readonly text: string }
  | { readonly step: "shown"; readonly draft: GeneratedResponse }
  | { readonly step: "done"; readonly action: ResponseActionRequest["action"] };

/** The reply to one message. Disposing it ends what is under way. */
export class Drafting implements Disposable {
  readonly state = signal<DraftState>({ step: "idle" });
  readonly error = signal<string | null>(null);
  #abort = new AbortController();

  constructor(readonly conversationId: string, readonly messageId: string) {}

  /** Finds a draft that was made before and waits for the person. */
  async resume(): Promise<void> {
    const path = `${SERVER_PATHS.responses}?conversationId=${this.conversationId}`;
    await this.#attempt(async (signal) => {
      const { responses } = await request(`GET ${path}`, { schema: responseListSchema, signal });
      const draft = responses.find(({ messageId, status, action, stale }) =>
        messageId === this.messageId && status === "completed" && action === null && stale !== true
      );
      if (draft !== undefined && this.state.value.step === "idle") {
        this.state.value = { step: "shown", draft };
      }
    });
  }

  /** Has a new draft written, or several to choose from. */
  async write(candidates = 1): Promise<void> {
    if (this.state.value.step === "writing") return;
    this.state.value = { step: "writing", text: "" };
    await this.#attempt(async (signal) => {
      let text = "";
      const draft = await requestText(`POST ${SERVER_PATHS.generateResponse}`, {
        schema: generatedResponseSchema,
        body: { messageId: this.messageId, candidates },
        signal,
        onPiece: (piece) => {
          if (!signal.aborted) this.state.value = { step: "writing", text: text += piece };
        },
      });
      if (draft.response === null) throw new RequestError(STRINGS.draft.failed);
      this.state.value = { step: "shown", draft };
    });
    if (this.state.value.step === "writing") this.state.value = { step: "idle" };
  }

  /** Takes what happened to drafts, here or elsewhere; null where that is not known. */
  async hear(event: DraftEvent | null): Promise<void> {
    const state = this.state.value;
    if (state.step === "idle") return await this.resume();
    if (state.step !== "shown") return;
    const { responseId } = state.draft;
    if (event?.event === "response:acted" && event.data.responseId === responseId) {
      this.state.value = { step: "done", action: event.data.action };
    } else if (event === null) {
      await this.#attempt(async (signal) => {
        const path = pathOf(SERVER_PATHS.response, { id: responseId });
        const { action } = await request(`GET ${path}`, { schema: responseRecordSchema, signal });
        if (action !== null && this.state.value === state) this.state.value = { step: "done", action };
      });
    }
  }

  /** Tells the server what the person did with a draft. */
  async act(responseId: string, action: ResponseActionRequest): Promise<void> {
    await this.#attempt(async (signal) => {
      const path = pathOf(SERVER_PATHS.responseAction, { id: responseId });
      await request(`POST ${path}`, { schema: responseActionResponseSchema, body: action, signal });
      this.state.value = { step: "done", action: action.action };
    });
  }

  /** Ends the request that is under way. */
  cancel(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  [Symbol.dispose](): void {
    this.cancel();
  }

  async #attempt(step: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    this.error.value = null;
    try {
      await step(signal);
    } catch (error) {
      if (!signal.aborted) this.error.value = sentenceOf(error);
    }
  }
}

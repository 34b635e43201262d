/** Owns a reply while it grows: its tokens, its text, and which tokens stand in that text. */
import { ReplyText, type ReplyTextOptions } from "./stop_sequence_filter.ts";
import type { SampledToken } from "../llama/sampling.ts";
import { type Detokenize, TokenText } from "./streaming_detokenizer.ts";

export interface GrowingReplyOptions<Id extends number> extends ReplyTextOptions {
  detokenize: Detokenize<Id>;
  /** Called with each further piece of the reply. */
  onToken?: (piece: string) => void;
}

export interface FinishedReply<Id extends number> {
  text: string;
  /** The tokens that stand in the text, without those of a stop string. */
  tokens: SampledToken<Id>[];
  /** Whether a stop string ended it. */
  stopped: boolean;
}

/** Collects tokens until the reply ends. */
export class GrowingReply<Id extends number> {
  readonly #characters: TokenText<Id>;
  readonly #text: ReplyText;
  readonly #show: (piece: string) => void;
  /** Each token with the length of the raw text before it. */
  readonly #tokens: { token: SampledToken<Id>; from: number }[] = [];

  constructor(options: GrowingReplyOptions<Id>) {
    this.#characters = new TokenText(options.detokenize);
    this.#text = new ReplyText(options);
    this.#show = (piece) => {
      if (piece !== "") options.onToken?.(piece);
    };
  }

  /** Tokens added so far. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Adds a token. Returns whether a stop string is complete now. */
  add(token: SampledToken<Id>): boolean {
    this.#tokens.push({ token, from: this.#text.rawLength });
    this.#show(this.#text.push(this.#characters.push(token.token)));
    return this.#text.stoppedAt !== null;
  }

  /** Shows what was held back and tells what the reply is. */
  end(): FinishedReply<Id> {
    this.#show(this.#text.push(this.#characters.end()));
    this.#show(this.#text.end());
    const end = this.#text.stoppedAt ?? Infinity;
    const tokens = this.#tokens.filter(({ from }) => from < end).map(({ token }) => token);
    return { text: this.#text.text, tokens, stopped: this.#text.stoppedAt !== null };
  }
}

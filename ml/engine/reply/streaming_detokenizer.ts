/** Owns the way from generated tokens to text, never showing half a character. */

/** Spells tokens; `before` are the tokens that stand in front of them. */
export type Detokenize<Id extends number> = (tokens: readonly Id[], before: readonly Id[]) => string;

const REPLACEMENT = "\ufffd";
/** A UTF-8 character has at most 4 bytes: what is still broken after 4 one-byte tokens is not text. */
const MAX_HELD_TOKENS = 4;
/** A tokenizer needs only a token or two before a piece to know whether its leading space counts. */
const CONTEXT_TOKENS = 4;

/** Tokens that arrive one by one, as text in whole characters. */
export class TokenText<Id extends number = number> {
  readonly #detokenize: Detokenize<Id>;
  #before: Id[] = [];
  #held: Id[] = [];

  constructor(detokenize: Detokenize<Id>) {
    this.#detokenize = detokenize;
  }

  /** Adds a token and returns the text that is complete with it: empty while a character is. */
  push(token: Id): string {
    this.#held.push(token);
    const text = this.#detokenize(this.#held, this.#before);
    if (text.endsWith(REPLACEMENT) && this.#held.length < MAX_HELD_TOKENS) return "";
    this.#before = [...this.#before, ...this.#held].slice(-CONTEXT_TOKENS);
    this.#held = [];
    return text;
  }

  /** The last text, without a character that was never finished. */
  end(): string {
    const text = this.#detokenize(this.#held, this.#before);
    this.#held = [];
    return text.replace(/\ufffd+$/, "");
  }
}

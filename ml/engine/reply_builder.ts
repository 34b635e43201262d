/** Builds a reply from generated tokens: whole characters only, cut at stop sequences, without outer white space. */
import type { SampledToken } from "./sampling.ts";

/** The text of tokens; `before` are the tokens that precede them. */
export type Detokenize<Id extends number> = (tokens: readonly Id[], before: readonly Id[]) => string;

const REPLACEMENT = "\ufffd";
/** A UTF-8 character has at most 4 bytes: what is still broken after 4 one-byte tokens is not text. */
const MAX_PENDING_TOKENS = 4;
/** A tokenizer needs only a token or two before a piece to know whether its leading space counts. */
const CONTEXT_TOKENS = 4;

/** Turns tokens into text as they arrive, never emitting half a character. */
export class StreamingDetokenizer<Id extends number = number> {
  readonly #detokenize: Detokenize<Id>;
  #before: Id[] = [];
  #pending: Id[] = [];

  constructor(detokenize: Detokenize<Id>) {
    this.#detokenize = detokenize;
  }

  /** Adds a token and returns the text it completes: empty while a character is incomplete. */
  push(token: Id): string {
    this.#pending.push(token);
    const text = this.#detokenize(this.#pending, this.#before);
    if (text.endsWith(REPLACEMENT) && this.#pending.length < MAX_PENDING_TOKENS) return "";
    this.#before = [...this.#before, ...this.#pending].slice(-CONTEXT_TOKENS);
    this.#pending = [];
    return text;
  }

  /** Returns the rest of the text, without an incomplete last character. */
  end(): string {
    const text = this.#detokenize(this.#pending, this.#before);
    this.#pending = [];
    return text.replace(/\ufffd+$/, "");
  }
}

export interface StopSequenceFilterOptions {
  /** Stop sequences: texts that end the reply. */
  stop: readonly string[];
  /** Keeps white space at both ends. */
  verbatim?: boolean;
  /** Applied to emitted text; may change only complete runs of white space. */
  clean?: (text: string) => string;
}

/** The length of the longest suffix of `text` that is a prefix of a stop sequence. */
function partialStopLength(text: string, stop: readonly string[]): number {
  const longest = Math.max(0, ...stop.map((end) => end.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stop.some((candidate) => candidate.startsWith(end))) return length;
  }
  return 0;
}

/**
 * Passes text on up to the first stop sequence, trimmed at both ends unless it is wanted verbatim.
 *
 * What `push` and `end` return, joined, is `text`, however the input was split: white space and a partial stop
 * sequence are buffered until the next piece settles whether they belong to the reply.
 */
export class StopSequenceFilter {
  readonly #stop: readonly string[];
  readonly #verbatim: boolean;
  readonly #clean: (text: string) => string;
  #raw = "";
  #emittedLength = 0;
  #text = "";
  #stoppedAt: number | null = null;

  constructor(options: StopSequenceFilterOptions) {
    this.#stop = options.stop;
    this.#verbatim = options.verbatim ?? false;
    this.#clean = options.clean ?? ((text) => text);
  }

  /** What has been emitted so far. */
  get text(): string {
    return this.#text;
  }

  /** Length of all input so far, white space and stop sequence included. */
  get rawLength(): number {
    return this.#raw.length;
  }

  /** Where in the input a stop sequence begins, or null. */
  get stoppedAt(): number | null {
    return this.#stoppedAt;
  }

  /** Adds a piece and returns the text that can be emitted now. */
  push(piece: string): string {
    if (this.#stoppedAt !== null) return "";
    const longest = Math.max(0, ...this.#stop.map((end) => end.length));
    const searchFrom = Math.max(0, this.#raw.length - longest + 1);
    this.#raw += piece;
    const found = this.#stop.map((end) => this.#raw.indexOf(end, searchFrom)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#stoppedAt = Math.min(...found);
      return this.#emit(this.#stoppedAt);
    }
    return this.#emit(this.#raw.length - partialStopLength(this.#raw, this.#stop));
  }

  /** Returns the buffered text, which belongs to the reply after all. */
  end(): string {
    return this.#emit(this.#stoppedAt ?? this.#raw.length);
  }

  #emit(upTo: number): string {
    const all = this.#raw.slice(this.#emittedLength, Math.max(upTo, this.#emittedLength));
    const waiting = this.#verbatim ? all : all.trimEnd();
    this.#emittedLength += waiting.length;
    const isStart = this.#text === "" && !this.#verbatim;
    const emitted = this.#clean(isStart ? waiting.trimStart() : waiting);
    this.#text += emitted;
    return emitted;
  }
}

export interface ReplyBuilderOptions<Id extends number> extends StopSequenceFilterOptions {
  detokenize: Detokenize<Id>;
  /** Called with each new piece of the reply. */
  onToken?: (piece: string) => void;
}

export interface FinishedReply<Id extends number> {
  text: string;
  /** The tokens that make up the text, without those of a stop sequence. */
  tokens: SampledToken<Id>[];
  /** Whether a stop sequence ended it. */
  stopped: boolean;
}

/** Collects the tokens of one reply until it ends. */
export class ReplyBuilder<Id extends number> {
  readonly #detokenizer: StreamingDetokenizer<Id>;
  readonly #text: StopSequenceFilter;
  readonly #emit: (piece: string) => void;
  /** Each token with the length of the text before it. */
  readonly #tokens: { token: SampledToken<Id>; from: number }[] = [];

  constructor(options: ReplyBuilderOptions<Id>) {
    this.#detokenizer = new StreamingDetokenizer(options.detokenize);
    this.#text = new StopSequenceFilter(options);
    this.#emit = (piece) => {
      if (piece !== "") options.onToken?.(piece);
    };
  }

  /** Tokens added so far. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Adds a token. Returns whether a stop sequence is complete now. */
  add(token: SampledToken<Id>): boolean {
    this.#tokens.push({ token, from: this.#text.rawLength });
    this.#emit(this.#text.push(this.#detokenizer.push(token.token)));
    return this.#text.stoppedAt !== null;
  }

  /** Emits what is still buffered and returns the finished reply. */
  end(): FinishedReply<Id> {
    this.#emit(this.#text.push(this.#detokenizer.end()));
    this.#emit(this.#text.end());
    const end = this.#text.stoppedAt ?? Infinity;
    const tokens = this.#tokens.filter(({ from }) => from < end).map(({ token }) => token);
    return { text: this.#text.text, tokens, stopped: this.#text.stoppedAt !== null };
  }
}

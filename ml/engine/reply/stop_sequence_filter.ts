/** Owns how a reply's text grows: trimming at both ends, stop strings across pieces, what may be shown already. */

export interface ReplyTextOptions {
  /** Texts that end the reply. */
  stop: readonly string[];
  /** Applied to shown text; must change nothing but whole runs of white space. */
  clean?: (text: string) => string;
}

/** The length of the longest end of `text` that begins one of the stop strings. */
function beginningOfStop(text: string, stop: readonly string[]): number {
  const longest = Math.max(0, ...stop.map((end) => end.length - 1));
  for (let length = Math.min(longest, text.length); length > 0; length--) {
    const end = text.slice(-length);
    if (stop.some((candidate) => candidate.startsWith(end))) return length;
  }
  return 0;
}

/**
 * A reply that arrives in pieces.
 *
 * What `push` and `end` return, joined, is `text`, however the reply was cut into pieces: white space and
 * the possible beginning of a stop string are held back until what follows decides about them.
 */
export class ReplyText {
  readonly #stop: readonly string[];
  readonly #clean: (text: string) => string;
  #raw = "";
  #shownLength = 0;
  #text = "";
  #stoppedAt: number | null = null;

  constructor(options: ReplyTextOptions) {
    this.#stop = options.stop;
    this.#clean = options.clean ?? ((text) => text);
  }

  /** What has been shown so far. */
  get text(): string {
    return this.#text;
  }

  /** Length of all that has arrived, white space and stop string included. */
  get rawLength(): number {
    return this.#raw.length;
  }

  /** Where in the raw text a stop string began, or null. */
  get stoppedAt(): number | null {
    return this.#stoppedAt;
  }

  /** Adds a piece and returns what can be shown now. */
  push(piece: string): string {
    if (this.#stoppedAt !== null) return "";
    const longest = Math.max(0, ...this.#stop.map((end) => end.length));
    const searchFrom = Math.max(0, this.#raw.length - longest + 1);
    this.#raw += piece;
    const found = this.#stop.map((end) => this.#raw.indexOf(end, searchFrom)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#stoppedAt = Math.min(...found);
      return this.#show(this.#stoppedAt);
    }
    return this.#show(this.#raw.length - beginningOfStop(this.#raw, this.#stop));
  }

  /** Returns what was held back and belongs to the reply after all. */
  end(): string {
    return this.#show(this.#stoppedAt ?? this.#raw.length);
  }

  #show(upTo: number): string {
    const waiting = this.#raw.slice(this.#shownLength, Math.max(upTo, this.#shownLength)).trimEnd();
    this.#shownLength += waiting.length;
    const shown = this.#clean(this.#text === "" ? waiting.trimStart() : waiting);
    this.#text += shown;
    return shown;
  }
}

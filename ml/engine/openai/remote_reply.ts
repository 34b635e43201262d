/** Builds a reply from the pieces that a remote server streams: text, confidence, timings. */
import type { Generation, GenerationOptions, GenerationRequest } from "../engine.ts";
import type { RemotePiece } from "./openai_wire.ts";
import { StopSequenceFilter } from "../reply_builder.ts";

/** Collects the pieces of one reply. */
export class RemoteReply {
  readonly #text: StopSequenceFilter;
  readonly #onToken?: (piece: string) => void;
  /** Each token's log-probability with the length of the text before its piece. */
  readonly #scores: { logProbability: number; from: number }[] = [];
  readonly #startedAt = performance.now();
  #firstAt: number | null = null;
  #pieces = 0;
  #last: Pick<RemotePiece, "finishReason" | "usage"> = { finishReason: null, usage: null };

  constructor(request: GenerationRequest, options: GenerationOptions) {
    this.#text = new StopSequenceFilter({ stop: request.stop, verbatim: request.verbatim });
    this.#onToken = options.onToken;
  }

  /** Adds a piece. Returns whether a stop sequence is complete. */
  add(piece: RemotePiece): boolean {
    const from = this.#text.rawLength;
    this.#scores.push(...piece.logProbabilities.map((logProbability) => ({ logProbability, from })));
    if (piece.text !== "") {
      this.#firstAt ??= performance.now();
      this.#pieces++;
      this.#emit(this.#text.push(piece.text));
    }
    this.#last = {
      finishReason: piece.finishReason ?? this.#last.finishReason,
      usage: piece.usage ?? this.#last.usage,
    };
    return this.#text.stoppedAt !== null;
  }

  end(modelId: string): Generation {
    this.#emit(this.#text.end());
    const { finishReason, usage } = this.#last;
    const tokensUsed = usage?.generatedTokens ?? (this.#scores.length || this.#pieces);
    const isCut = finishReason === "length" && this.#text.stoppedAt === null;
    return {
      modelId,
      text: this.#text.text,
      confidence: this.#confidence(),
      tokensUsed,
      finishReason: isCut ? "length" : "stop",
      timings: this.#timings(tokensUsed),
    };
  }

  #emit(text: string): void {
    if (text !== "") this.#onToken?.(text);
  }

  #confidence(): number {
    const end = this.#text.stoppedAt ?? Infinity;
    const scores = this.#scores.filter(({ from }) => from < end);
    const sum = scores.reduce((total, { logProbability }) => total + logProbability, 0);
    return scores.length === 0 ? 0 : Math.min(1, Math.exp(sum / scores.length));
  }

  #timings(tokensUsed: number): Generation["timings"] {
    const endedAt = performance.now();
    const firstAt = this.#firstAt ?? endedAt;
    const generateMs = endedAt - firstAt;
    return {
      queue_ms: 0,
      prompt_ms: firstAt - this.#startedAt,
      prompt_tokens: this.#last.usage?.promptTokens ?? 0,
      cached_tokens: this.#last.usage?.cachedTokens ?? 0,
      generate_ms: generateMs,
      tokens_per_second: tokensUsed > 1 && generateMs > 0 ? (tokensUsed - 1) * 1_000 / generateMs : 0,
    };
  }
}

/** Selects the samples that can be learned from and counts the excluded ones by reason. */
import { messageAnswered, transcriptOf } from "../../../contract/prompt.ts";
import { contentHash } from "./sample_text.ts";
import { SENSITIVE_KINDS, type SensitiveKind, sensitiveKindOf } from "./sensitive_text.ts";

/** A sample as the job receives it. */
export interface SourceSample {
  /** The caller's name for it. */
  id?: string;
  input: string;
  output: string;
  /** Weight in the loss, in [0, 1]. */
  quality: number;
  rejected?: string | null;
  heldOut?: boolean;
  /** Which exchanges belong together: an opaque word. */
  conversation?: string;
}

export const EXCLUSION_REASONS = [
  "quality_zero",
  "empty_prompt",
  "empty_reply",
  "no_rejected_draft",
  "duplicate",
  ...SENSITIVE_KINDS,
  "held_out_twin",
  "reply_too_long",
] as const;
export type ExclusionReason = typeof EXCLUSION_REASONS[number];

/** Counts excluded samples by reason. */
export class ExclusionCount {
  readonly #counts = new Map<ExclusionReason, number>();

  add(reason: ExclusionReason, count = 1): void {
    if (count > 0) this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + count);
  }

  /** The reasons that occurred, in a fixed order. */
  get counts(): Partial<Record<ExclusionReason, number>> {
    return Object.fromEntries(
      EXCLUSION_REASONS.flatMap((reason) => {
        const count = this.#counts.get(reason);
        return count === undefined ? [] : [[reason, count]];
      }),
    );
  }
}

function sensitiveKind({ input, output }: SourceSample): SensitiveKind | undefined {
  return sensitiveKindOf(output, { question: messageAnswered(transcriptOf(input)) });
}

function faultOf(sample: SourceSample, method: "sft" | "dpo"): ExclusionReason | undefined {
  const { input, output, quality, rejected } = sample;
  if (!(quality > 0)) return "quality_zero";
  if (input.trim() === "") return "empty_prompt";
  if (output.trim() === "") return "empty_reply";
  if (method === "dpo" && (!rejected?.trim() || rejected.trim() === output.trim())) {
    return "no_rejected_draft";
  }
  return sensitiveKind(sample);
}

/** Removes duplicate exchanges, keeping the first of the highest quality. */
function withoutDuplicates<Sample extends SourceSample>(samples: readonly Sample[]): Sample[] {
  const best = new Map<string, Sample>();
  for (const sample of samples) {
    const key = contentHash([sample.input.trim(), sample.output.trim()]);
    const known = best.get(key);
    if (known === undefined || sample.quality > known.quality) best.set(key, sample);
  }
  return [...best.values()];
}

/** Lets the event loop run from time to time in a long loop, so that a cancellation can arrive. */
export type YieldToEventLoop = () => Promise<void>;

/** Returns the samples that can be learned from and counts the excluded ones. */
export async function selectSamples<Sample extends SourceSample>(
  samples: readonly Sample[],
  options: { method: "sft" | "dpo"; exclusions: ExclusionCount; yieldToEventLoop: YieldToEventLoop },
): Promise<Sample[]> {
  const { method, exclusions, yieldToEventLoop } = options;
  const usable: Sample[] = [];
  for (const sample of samples) {
    await yieldToEventLoop();
    const fault = faultOf(sample, method);
    if (fault === undefined) usable.push(sample);
    else exclusions.add(fault);
  }
  const distinct = withoutDuplicates(usable);
  exclusions.add("duplicate", usable.length - distinct.length);
  return distinct;
}

const PAUSE_EVERY_MS = 50;

/** @returns a function to call in every iteration; it throws the signal's reason once the signal has aborted */
export function eventLoopYielder(signal: AbortSignal): () => Promise<void> {
  let pausedAt = performance.now();
  return async () => {
    signal.throwIfAborted();
    if (performance.now() - pausedAt < PAUSE_EVERY_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    pausedAt = performance.now();
    signal.throwIfAborted();
  };
}

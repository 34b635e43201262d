/** Whether a process's memory is flat: the trend of what it had resident over the second half of a run. */

/** What a process had resident, in bytes, at a moment of the run. */
export interface MemorySample {
  readonly atMs: number;
  readonly bytes: number;
}

export interface MemoryTrend {
  /** The Theil-Sen slope: the median of the slopes between all pairs of samples. */
  readonly bytesPerMinute: number;
  /** What that slope adds over the half that was looked at, as a share of the median. */
  readonly rise: number;
  readonly medianBytes: number;
  readonly isFlat: boolean;
}

/** Memory is flat when its trend adds less than this share of the median over the second half. */
export const FLAT_RISE = 0.05;

const MS_PER_MINUTE = 60_000;

/** The middle value; of an even count the upper one. NaN of none. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/**
 * The trend of the second half. A median of slopes, since a garbage collector's sawtooth pulls a least-squares line to
 * where its last tooth happened to be.
 */
export function memoryTrend(samples: readonly MemorySample[]): MemoryTrend {
  const [first, last] = [samples[0]?.atMs ?? NaN, samples.at(-1)?.atMs ?? NaN];
  const half = samples.filter(({ atMs }) => atMs >= (first + last) / 2);
  const slopes = half.flatMap((before, index) =>
    half.slice(index + 1).map((after) => (after.bytes - before.bytes) / (after.atMs - before.atMs))
  );
  const bytesPerMs = median(slopes);
  const medianBytes = median(half.map(({ bytes }) => bytes));
  const rise = bytesPerMs * (last - first) / 2 / medianBytes;
  return { bytesPerMinute: bytesPerMs * MS_PER_MINUTE, rise, medianBytes, isFlat: rise < FLAT_RISE };
}

/** Owns a span of time as a person says it, seen from its end. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `just now`, `3 minutes ago`, `2 hours ago`, `5 days ago`. */
export function agoText(spanMs: number): string {
  const [unitMs, unit] = spanMs < HOUR_MS
    ? [MINUTE_MS, "minute"]
    : spanMs < DAY_MS
    ? [HOUR_MS, "hour"]
    : [DAY_MS, "day"];
  const count = Math.floor(spanMs / unitMs);
  if (count < 1) return "just now";
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
}

/** Owns the check of this machine's clock against the server's. */
import { fault, type Finding, ok } from "./finding.ts";
import { SETTINGS_PANES } from "./settings_pane.ts";

/** From here on, times that a person compares look wrong. */
const WARNING_SKEW_MS = 60_000;
/** From here on, the end of a pairing and the age of a message are judged wrongly. */
const FAILURE_SKEW_MS = 10 * 60_000;
/** A `Date` header has whole seconds: its true time lies, on average, half a second later. */
const HALF_SECOND_MS = 500;
const TIMEOUT_MS = 5_000;

/** How far this machine's clock is ahead of the server's; null when the server's answer carries no time. */
export async function measureClockSkewMs(url: string, now: () => number): Promise<number | null> {
  const sentAtMs = now();
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const receivedAtMs = now();
  await response.body?.cancel();
  const serverMs = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(serverMs)) return null;
  return Math.round((sentAtMs + receivedAtMs) / 2 - (serverMs + HALF_SECOND_MS));
}

function skewText(skewMs: number): string {
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const amount = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return `${amount} ${skewMs > 0 ? "ahead of" : "behind"} the server's`;
}

/** Judges a difference of clocks. */
export function checkClock(skewMs: number): Finding {
  const size = Math.abs(skewMs);
  if (size < WARNING_SKEW_MS) return ok("clock", "This machine's clock and the server's agree");
  return fault("clock", {
    status: size < FAILURE_SKEW_MS ? "warning" : "failure",
    message: `This machine's clock is ${skewText(skewMs)}`,
    remedy: "set both machines' clocks automatically",
    pane: SETTINGS_PANES.dateAndTime,
  });
}

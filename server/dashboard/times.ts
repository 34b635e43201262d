/** Times as a person reads them, in the browser's own time zone. */

const TIME = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** The day of a time: `3 May`, with its year unless it is this one. */
export function dayOf(iso: string, now = new Date()): string {
  const time = new Date(iso);
  return (time.getFullYear() === now.getFullYear() ? DAY : DATE).format(time);
}

/** The time of day: `14:05`. */
export function timeOf(iso: string): string {
  return TIME.format(new Date(iso));
}

/** The time of day for today's times, the day for earlier ones. */
export function shortTimeOf(iso: string, now = new Date()): string {
  return new Date(iso).toDateString() === now.toDateString() ? timeOf(iso) : dayOf(iso, now);
}

const MINUTE_MS = 60_000;

/** A duration in its two largest words: `40 s`, `12 min`, `3 h 5 min`. */
export function durationOf(ms: number): string {
  if (ms < MINUTE_MS) return `${Math.max(1, Math.round(ms / 1_000))} s`;
  const minutes = Math.round(ms / MINUTE_MS);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A short duration: `0.4 s`. */
export function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

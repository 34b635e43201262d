/** The first sync: how much of a Mac's messages is here, how fast it goes, and when it is all there. */
import { useState } from "preact/hooks";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { type SyncStatusResponse, syncStatusResponseSchema } from "../../../contract/sync.ts";
import { LIST_ADDRESS } from "../address.ts";
import { request } from "../client/api.ts";
import { useEvents } from "../client/events.ts";
import { useLoaded } from "../client/loading.ts";
import { STRINGS } from "../strings.ts";

const { welcome: TEXT } = STRINGS;
/** The rate is that of so many milliseconds. */
const RATE_WINDOW_MS = 10_000;

interface Sample {
  readonly at: number;
  readonly stored: number;
}

/** Messages per second since the oldest sample of the window; null while it is not known. */
function rateOf(samples: readonly Sample[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < 1_000) return null;
  return Math.round(1_000 * (last.stored - first.stored) / (last.at - first.at));
}

function useRate(): number | null {
  const [samples, setSamples] = useState<readonly Sample[]>([]);
  useEvents(["sync:progress"], (event) => {
    const at = performance.now();
    if (event === null) return setSamples([]);
    setSamples((known) => [
      ...known.filter((sample) => at - sample.at < RATE_WINDOW_MS && sample.stored <= event.data.inserted),
      { at, stored: event.data.inserted },
    ]);
  });
  return rateOf(samples);
}

function Progress({ status: { messages, devices = [] } }: { status: SyncStatusResponse }) {
  const rate = useRate();
  const lag = devices.reduce((sum, { lagRows }) => sum + (lagRows ?? 0), 0);
  if (messages === 0) return <p role="status">{TEXT.waits}</p>;
  if (lag === 0) {
    return (
      <>
        <p role="status">{TEXT.allThere(messages)}</p>
        <p>
          <a class="primary" href={LIST_ADDRESS}>{TEXT.goOn}</a>
        </p>
      </>
    );
  }
  return (
    <>
      <progress max={messages + lag} value={messages} aria-label={TEXT.sync} />
      <p role="status">{TEXT.arrived(messages, lag)}</p>
      {rate !== null && <p class="quiet">{TEXT.rate(rate)}</p>}
    </>
  );
}

/** What arrived so far, as the events say it. */
export function FirstSync() {
  const { value, error } = useLoaded(
    () => request(`GET ${SERVER_PATHS.syncStatus}`, { schema: syncStatusResponseSchema }),
    ["sync:progress"],
  );
  return (
    <>
      {error !== null && <p role="alert">{error}</p>}
      {value !== null && <Progress status={value} />}
    </>
  );
}

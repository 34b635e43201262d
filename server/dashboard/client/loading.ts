/** What a part of a page has read of the server: its value, the sentence of its fault, and how to read it again. */
import { useEffect, useState } from "preact/hooks";
import type { EventName } from "../../../contract/events.ts";
import { delay } from "../../../lib/backoff.ts";
import { sentenceOf } from "./api.ts";
import { subscribe } from "./events.ts";

export interface Loaded<Value> {
  /** Null until it was read. */
  readonly value: Value | null;
  readonly error: string | null;
  readonly reload: () => Promise<void>;
}

/** A first sync says several times a second that there is more. */
const REFRESH_INTERVAL_MS = 1_000;

/**
 * Calls `refresh`, which may not fail, whenever one of these events happens: one at a time, at most once a second, and once
 * after the last event.
 */
export function useRefresh(names: readonly EventName[], refresh: () => Promise<void>): void {
  useEffect(() => {
    let isBusy = false;
    let isStale = false;
    const run = async () => {
      isStale = true;
      if (isBusy) return;
      isBusy = true;
      while (isStale) {
        isStale = false;
        await refresh();
        await delay(REFRESH_INTERVAL_MS);
      }
      isBusy = false;
    };
    return subscribe(names, () => void run());
  }, []);
}

/** Reads something, again on request, and again whenever one of these events happens; `read` throws a RequestError. */
export function useLoaded<Value>(
  read: () => Promise<Value>,
  names: readonly EventName[] = [],
): Loaded<Value> {
  const [value, setValue] = useState<Value | null>(null);
  const [error, setError] = useState<string | null>(null);
  const reload = async () => {
    try {
      setValue(await read());
      setError(null);
    } catch (error) {
      setError(sentenceOf(error));
    }
  };
  useEffect(() => void reload(), []);
  useRefresh(names, reload);
  return { value, error, reload };
}

/** Runs one step at a time of a part of a page, and says why one failed. */
export function useSteps(): {
  readonly error: string | null;
  readonly isBusy: boolean;
  readonly run: (step: () => Promise<unknown>) => void;
} {
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = (step: () => Promise<unknown>) => {
    setBusy(true);
    setError(null);
    step().catch((error) => setError(sentenceOf(error))).finally(() => setBusy(false));
  };
  return { error, isBusy, run };
}

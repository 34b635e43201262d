/** What a part of a page has read of the server: its value, the sentence of its fault, and how to read it again. */
import { useEffect, useState } from "preact/hooks";
import { sentenceOf } from "./api.ts";

export interface Loaded<Value> {
  /** Null until it was read. */
  readonly value: Value | null;
  readonly error: string | null;
  readonly reload: () => Promise<void>;
}

/** Reads something once, and again on request; `read` throws a RequestError. */
export function useLoaded<Value>(read: () => Promise<Value>): Loaded<Value> {
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

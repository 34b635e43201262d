/** A process whose main function waits for its signal while an error that nothing catches is thrown. */
import { aborted } from "../../../lib/async.ts";
import { runMain } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";

const THROWERS: Record<string, (error: Error) => void> = {
  rejection: (error) => void Promise.reject(error),
  timer: (error) =>
    void setTimeout(() => {
      throw error;
    }, 0),
};

await runMain(async (signal) => {
  const error = new RangeError("insert failed for hello mum\n    at mum (hello:1:1)");
  THROWERS[Deno.args[0] ?? ""]?.(error);
  await aborted(signal);
  writeLine("ended in order");
});

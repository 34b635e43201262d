/**
 * Measures what training costs, against the tools that a person would use instead.
 *
 * `deno run -A bench/training_bench.ts [peers|operations|growth|serving]...`; without names all of them, in this order.
 * Peers are measured where `bench/peers/setup.ts` has installed them; that part takes a quarter of an hour on two
 * cores. Memory and start are read from Linux's /proc.
 */
import { writeLine } from "../lib/log.ts";
import { runMain, StartError } from "../lib/lifecycle.ts";
import { measureGrowth } from "./training/measure_growth.ts";
import { measureOperations } from "./training/measure_operations.ts";
import { measurePeers } from "./training/measure_peers.ts";
import { measureServing } from "./training/measure_serving.ts";

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  peers: measurePeers,
  operations: measureOperations,
  growth: measureGrowth,
  serving: measureServing,
};

await runMain(async () => {
  const names = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
  for (const name of names) {
    const measure = PARTS[name];
    if (measure === undefined) {
      throw new StartError(`There is no part ${name}: ${Object.keys(PARTS).join(", ")}`);
    }
    writeLine(`\n# ${name}`);
    await measure();
  }
});

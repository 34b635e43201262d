/**
 * Measures what training costs, against the tools that a person would use instead, and how exact it is.
 *
 * `deno run -A bench/training/training_bench.ts [peers|finetune|processors|operations|phases|growth|serving|oracles|export]...`; all of
 * them, in this order, when none is named. Peers are measured where `research/peers/setup.ts` has installed them; that
 * section takes half an hour on two cores, `processors` a quarter of an hour. Memory and start time come from Linux's
 * /proc.
 */
import { runSections } from "../support/bench_output.ts";
import { measureExport } from "./measure_export.ts";
import { measureFinetune } from "./measure_finetune.ts";
import { measureGrowth } from "./measure_growth.ts";
import { measureOperations } from "./measure_operations.ts";
import { measureOracles } from "./measure_oracles.ts";
import { measurePeers } from "./measure_peers.ts";
import { measurePhases } from "./measure_phases.ts";
import { measureProcessors } from "./measure_processors.ts";
import { measureServing } from "./measure_serving.ts";

await runSections({
  peers: measurePeers,
  finetune: measureFinetune,
  processors: measureProcessors,
  operations: measureOperations,
  phases: measurePhases,
  growth: measureGrowth,
  serving: measureServing,
  oracles: measureOracles,
  export: measureExport,
});

/**
 * Measures whether training learns how a person writes: real people of a corpus, an invented one, planted secrets, and
 * one training from messages to drafts through all services.
 *
 * `deno run -A research/style/style_bench.ts [people|examples|candidates|planted|secrets|story]...`; all of
 * them, in this order, when none is named. `people` takes most of an hour on two cores; trained jobs are cached under
 * `data/style`. PEFT runs too where `research/peers/setup.ts` has installed it.
 */
import { runSections } from "../../bench/support/bench_output.ts";
import { measureCandidates } from "./measure_candidates.ts";
import { measureExamples } from "./measure_examples.ts";
import { measurePeople } from "./measure_people.ts";
import { measurePlanted } from "./measure_planted.ts";
import { measureSecrets } from "./measure_secrets.ts";
import { measureStory } from "./measure_story.ts";

await runSections({
  people: measurePeople,
  examples: measureExamples,
  candidates: measureCandidates,
  planted: measurePlanted,
  secrets: measureSecrets,
  story: measureStory,
});

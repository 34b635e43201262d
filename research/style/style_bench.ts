/**
 * Measures whether training learns how a person writes: real people of a corpus, an invented one, what must not be
 * learned, and one training from messages to drafts through all services.
 *
 * `deno run -A research/style/style_bench.ts [people|planted|secrets|story]...`; without names all of them, in this order. The people
 * take most of an hour on two cores; what has been trained is kept under `data/style` and not trained again. PEFT is
 * run beside them where `research/peers/setup.ts` has installed it.
 */
import { runParts } from "../../bench/support/bench_output.ts";
import { measurePeople } from "./measure_people.ts";
import { measurePlanted } from "./measure_planted.ts";
import { measureSecrets } from "./measure_secrets.ts";
import { measureStory } from "./measure_story.ts";

await runParts({
  people: measurePeople,
  planted: measurePlanted,
  secrets: measureSecrets,
  story: measureStory,
});

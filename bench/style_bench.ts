/**
 * Measures whether training learns how a person writes: real people of a corpus, an invented one, and what must not be
 * learned.
 *
 * `deno run -A bench/style_bench.ts [people|planted|secrets]...`; without names all of them, in this order. The people
 * take most of an hour on two cores; what has been trained is kept under `data/style` and not trained again. PEFT is
 * run beside them where `bench/peers/setup.ts` has installed it.
 */
import { writeLine } from "../lib/log.ts";
import { runMain, StartError } from "../lib/lifecycle.ts";
import { measurePeople } from "./style/measure_people.ts";
import { measurePlanted } from "./style/measure_planted.ts";
import { measureSecrets } from "./style/measure_secrets.ts";

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  people: measurePeople,
  planted: measurePlanted,
  secrets: measureSecrets,
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

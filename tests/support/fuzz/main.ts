/**
 * Fuzzes both services with what their OpenAPI documents allow and forbid: the task `fuzz`.
 *
 * `deno run -A tests/support/fuzz/main.ts [--max-examples=N] [--seed=N] [server|ml …]`: the named services, or both. The
 * exit status is 1 when one answered with a 5xx, or with a status, type or body that its document does not name.
 */
import { parseArgs } from "node:util";
import { UserError } from "../../../lib/errors.ts";
import { runMain } from "../../../lib/lifecycle.ts";
import { writeLine } from "../../../lib/log.ts";
import { startFuzzedServices } from "./fuzzed_services.ts";
import { fuzz, installSchemathesis } from "./schemathesis.ts";

const DEFAULT_SEED = 20_261;
const DEFAULT_MAX_EXAMPLES = 5;

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UserError(`--${name} must be a whole number: got ${text}`);
  return Number(text);
}

function argumentsOf(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      "max-examples": { type: "string", default: String(DEFAULT_MAX_EXAMPLES) },
      seed: { type: "string", default: String(DEFAULT_SEED) },
    },
  });
  for (const name of positionals) {
    if (name !== "server" && name !== "ml") {
      throw new UserError(`There is no service ${name}: name server or ml`);
    }
  }
  return {
    names: positionals.length > 0 ? positionals : ["server", "ml"],
    maxExamples: wholeNumber("max-examples", values["max-examples"]),
    seed: wholeNumber("seed", values.seed),
  };
}

async function main(): Promise<void> {
  const { names, maxExamples, seed } = argumentsOf(Deno.args);
  await installSchemathesis();
  await using fuzzed = await startFuzzedServices();
  const env = { FUZZ_OWN_DEVICE: fuzzed.ownDeviceId, FUZZ_OTHER_DEVICE: fuzzed.otherDeviceId };
  const faulty: string[] = [];
  for (const service of fuzzed.services.filter(({ name }) => names.includes(name))) {
    writeLine(`${service.name}: seed ${seed}, at most ${maxExamples} examples`);
    if (!await fuzz(service, { seed, maxExamples, env })) faulty.push(service.name);
  }
  if (faulty.length > 0) throw new UserError(`There are findings in ${faulty.join(" and ")}: see above`);
}

if (import.meta.main) await runMain(main);

/** Owns the command line of a bench that has several parts: those that are named, or all of them in order. */
import { runMain } from "../../lib/lifecycle.ts";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";

/**
 * Runs the parts that the command line names, each under its title; without names all of them.
 *
 * @param parts what each name measures; a name that is not among them ends the bench with a sentence
 */
export async function runParts(parts: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  await runMain(async () => {
    const names = Deno.args.length > 0 ? Deno.args : Object.keys(parts);
    for (const name of names) {
      const measure = parts[name];
      if (measure === undefined) {
        throw new UserError(`There is no part ${name}: ${Object.keys(parts).join(", ")}`);
      }
      writeLine(`\n# ${name}`);
      await measure();
    }
  });
}

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

/** Lines of a table in Markdown. The first column holds names, the others numbers. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${
      widths.map((width, column) => {
        const cell = row[column] ?? "";
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      }).join(" | ")
    } |`;
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`);
  return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)];
}

/** A share as whole percent. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

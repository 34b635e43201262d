/** Runs the sections of a bench that the command line names, and prints tables and medians. */
import { runMain } from "../../lib/lifecycle.ts";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";

/**
 * Runs the sections that the command line names, each under its title; all of them when it names none.
 *
 * @param sections what each name measures; an unknown name ends the bench with an error that lists them
 */
export async function runSections(sections: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  await runMain(async () => {
    const names = Deno.args.length > 0 ? Deno.args : Object.keys(sections);
    for (const name of names) {
      const measure = sections[name];
      if (measure === undefined) {
        throw new UserError(`There is no section ${name}: ${Object.keys(sections).join(", ")}`);
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

/** The middle one of values, the upper of two; NaN of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Formats a share as a rounded percentage. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

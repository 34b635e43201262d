/** Parts of a hand-written page that are generated: they stand between two marks. */

/** Generated parts of a page by the name in their marks. */
export type PageGenerators = Readonly<Record<string, () => string | Promise<string>>>;

/** The page with each generated part replaced by what it says today; not formatted. @throws Error where marks are missing */
export async function withGenerated(page: string, parts: PageGenerators): Promise<string> {
  let text = page;
  for (const [name, generate] of Object.entries(parts)) {
    const [start, end] = [`<!-- generated: ${name} -->`, `<!-- end of ${name} -->`];
    const [before, rest] = text.split(start);
    const [, after] = (rest ?? "").split(end);
    if (before === undefined || after === undefined) throw new Error(`The page lacks the marks of ${name}`);
    text = `${before}${start}\n\n${await generate()}\n${end}${after}`;
  }
  return text;
}

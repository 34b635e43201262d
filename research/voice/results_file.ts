/** The finished units of the bench: a line of JSON each, so that a run that was ended continues where it was. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";
import { VOICE_DIR } from "./voice_training.ts";

/** Units by their names; several processes may append to one file. */
export class ResultsFile<Value> {
  readonly #name: string;
  readonly #path: string;

  constructor(name: string) {
    this.#name = `${name}.jsonl`;
    this.#path = join(VOICE_DIR, this.#name);
  }

  /** Copies the file into a folder, where there is one. */
  async copyTo(folder: string): Promise<void> {
    await ifPresent(Deno.copyFile(this.#path, join(folder, this.#name)));
  }

  /** All finished units. */
  async read(): Promise<Map<string, Value>> {
    const text = await ifPresent(Deno.readTextFile(this.#path)) ?? "";
    // A line that a kill cut short is computed again.
    const lines = text.split("\n").slice(0, -1).filter((line) => line.endsWith("}"));
    return new Map(lines.map((line) => JSON.parse(line)).map(({ unit, value }) => [unit, value]));
  }

  /** The value of a unit, computed where it is not finished. */
  async unit(unit: string, compute: () => Promise<Value>): Promise<Value> {
    const known = (await this.read()).get(unit);
    if (known !== undefined) return known;
    const value = await compute();
    await Deno.writeTextFile(this.#path, `${JSON.stringify({ unit, value })}\n`, { append: true });
    return value;
  }
}

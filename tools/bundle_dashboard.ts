/**
 * Bundles the owner's page into the scripts that the server serves; with `--check`, says whether those in the tree are what
 * the sources give.
 */
import { join } from "node:path";
import { writeErrorLine, writeLine } from "../lib/log.ts";
import { PROJECT_ROOT } from "./service_process.ts";

/** Each script with the source that it begins at. */
const BUNDLES = {
  "server/dashboard/public/app.js": "server/dashboard/main.tsx",
  "server/dashboard/public/early.js": "server/dashboard/client/early_entry.ts",
  "server/dashboard/public/curve.js": "server/dashboard/training/uplot_entry.ts",
};

/** What a schema says of itself in the API's documents; the page only parses by it, and loads faster without. */
const DESCRIPTIONS = /\.describe\((?:"(?:[^"\\]|\\.)*"|`(?:[^`\\$]|\\.)*`)\)/g;

/** Bundles what a source needs. @throws Error with Deno's report when it cannot be bundled */
async function bundle(entry: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--platform", "browser", "--minify", entry],
    cwd: PROJECT_ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).replace(DESCRIPTIONS, "");
}

if (import.meta.main) {
  for (const [name, entry] of Object.entries(BUNDLES)) {
    const path = join(PROJECT_ROOT, name);
    const script = await bundle(entry);
    if (!Deno.args.includes("--check")) {
      await Deno.writeTextFile(path, script);
      writeLine(`Wrote ${name}`);
    } else if (await Deno.readTextFile(path) !== script) {
      writeErrorLine(`${name} is not what its sources give: run \`deno task dashboard\``);
      Deno.exit(1);
    }
  }
}

/**
 * Bundles the owner's page into the one script that the server serves; with `--check`, says whether the script in the
 * tree is what the sources give.
 */
import { join } from "node:path";
import { writeErrorLine, writeLine } from "../lib/log.ts";
import { PROJECT_ROOT } from "./service_process.ts";

const ENTRY = "server/dashboard/main.tsx";
export const BUNDLE = "server/dashboard/public/app.js";

/** Bundles the sources. @throws Error with Deno's report when they cannot be bundled */
export async function bundle(): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--platform", "browser", "--minify", ENTRY],
    cwd: PROJECT_ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  const path = join(PROJECT_ROOT, BUNDLE);
  const script = await bundle();
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(path, script);
    writeLine(`Wrote ${BUNDLE}`);
  } else if (await Deno.readTextFile(path) !== script) {
    writeErrorLine(`${BUNDLE} is not what its sources give: run \`deno task dashboard\``);
    Deno.exit(1);
  }
}

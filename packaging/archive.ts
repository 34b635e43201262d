/**
 * Packs a built program for a release, under the name that the tap downloads, and prints the archive's path:
 *
 *     deno run -A packaging/archive.ts server x86_64-unknown-linux-gnu
 *
 * The app is packed by macos/sign.sh, which gets its archive's path from here as well (`--name-only`).
 */
import { join } from "node:path";
import { writeErrorLine, writeLine } from "../lib/log.ts";
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { archiveName, PRODUCTS, programName, type Target, TARGETS } from "./artifacts.ts";

const [wanted, target = Deno.build.target, option] = Deno.args;
const product = PRODUCTS.find((known) => known === wanted);
if (product === undefined || !Object.hasOwn(TARGETS, target)) {
  writeErrorLine(`Usage: archive.ts ${PRODUCTS.join("|")} [${Object.keys(TARGETS).join("|")}] [--name-only]`);
  Deno.exit(2);
}
const folder = join(PROJECT_ROOT, "data", "dist");
const archive = join(folder, archiveName(product, target as Target));
if (option !== "--name-only") {
  const from = join(folder, TARGETS[target as Target].name);
  const { success } = await new Deno.Command("tar", {
    args: ["--create", "--gzip", "--file", archive, "--directory", from, programName(product)],
  }).spawn().status;
  if (!success) Deno.exit(1);
}
writeLine(archive);

/** The peer of the reader's bench: imessage-exporter, built from its crate and run on a chat.db. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { projectPath } from "../../tools/service_process.ts";

export const PEER_NAME = "imessage-exporter 5.0.1";
const CRATE = ["imessage-exporter", "--version", "5.0.1", "--locked"];
/** Outside version control, and kept: building takes about three minutes. */
const ROOT = projectPath("data/bench/imessage-exporter");
const PROGRAM = join(ROOT, "bin", "imessage-exporter");

/** Builds the peer with cargo unless it is there. @throws UserError when there is no cargo, or it fails */
export async function installPeer(): Promise<void> {
  if (await isFile(PROGRAM)) return;
  writeLine(`building ${PEER_NAME} with cargo, about three minutes`);
  const args = ["install", ...CRATE, "--root", ROOT];
  try {
    const { success } = await new Deno.Command("cargo", { args }).spawn().status;
    if (!success) throw new UserError(`cargo could not build ${PEER_NAME}: see its messages above`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError("The bench needs cargo to build its peer: install Rust", { cause: error });
  }
}

/** Exports the database at `path` as text files into `folder`, attachments left where they are. */
export async function runPeer(path: string, folder: string): Promise<void> {
  const args = ["-f", "txt", "-c", "disabled", "-p", path, "-o", folder];
  const output = await new Deno.Command(PROGRAM, { args, stdout: "null", stderr: "piped" }).output();
  if (!output.success) throw new Error(`${PEER_NAME} failed: ${new TextDecoder().decode(output.stderr)}`);
}

async function isFile(path: string): Promise<boolean> {
  return (await ifPresent(Deno.stat(path)))?.isFile ?? false;
}

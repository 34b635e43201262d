/** Runs code in a process that file modes bind, although the tests themselves may run as root. */
import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

/** Root passes by file modes through these capabilities; without them a mode of 0 binds it as well. */
const DROP_CAPABILITIES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

/**
 * Runs the TypeScript module `code` and returns what it wrote to stdout; throws with its stderr when it fails.
 * As root it needs `setpriv` of util-linux.
 */
export async function runBoundByFileModes(code: string): Promise<string> {
  const deno = [Deno.execPath(), "run", "--allow-all", "--no-check", "--quiet", "--config", CONFIG, "-"];
  const [program = "", ...args] = Deno.uid() === 0 ? [...DROP_CAPABILITIES, ...deno] : deno;
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(code));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`The child process failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

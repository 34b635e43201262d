/** Owns opening addresses and apps as macOS does. */
import { UserError } from "../../lib/errors.ts";
import type { CommandRunner } from "./command_runner.ts";

const OPEN = "/usr/bin/open";

/**
 * Opens what the arguments of `open` name: an address, or `-b` and an app's identifier.
 *
 * @param options.name what the person is told in place of an address that holds words or a number
 * @throws UserError when macOS cannot
 */
export async function openWithMac(
  { commands }: { commands: CommandRunner },
  args: readonly string[],
  { name = args[0] }: { name?: string } = {},
): Promise<void> {
  const { code } = await commands.run([OPEN, ...args]);
  if (code === 0) return;
  throw new UserError(args[0] === "-b" ? "macOS knows no such app" : `macOS could not open ${name}`);
}

/** The machine the agent runs on: its system, home, disk space and name for the server, and opening things on a Mac. */
import { statfs } from "node:fs/promises";
import { homedir } from "node:os";
import type { RegisterDeviceRequest } from "../../contract/devices.ts";
import { UserError } from "../../lib/errors.ts";
import type { CommandRunner } from "./command_runner.ts";

export interface Machine {
  /** `Deno.build.os`. */
  readonly os: string;
  homeDir(): string;
  /** The number of the user who runs the agent. */
  userId(): number;
  /** Bytes that this user may still write to the disk of an existing folder. */
  freeBytes(folder: string): Promise<number>;
}

/** The machine that the agent runs on. Nothing is asked of it before a method is called. */
export function thisMachine(os: string = Deno.build.os): Machine {
  return {
    os,
    homeDir: homedir,
    userId: () => Deno.uid() ?? 0,
    async freeBytes(folder) {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
  };
}

type DeviceFacts = Pick<RegisterDeviceRequest, "platform" | "osVersion">;

const PLATFORM_OF_OS: Record<string, RegisterDeviceRequest["platform"]> = {
  darwin: "macos",
  linux: "linux",
  windows: "windows",
};

/** `Deno.osRelease()` is the kernel's version, which on a Mac is not the one that people know. */
async function osVersionOf(os: string, commands: CommandRunner): Promise<string> {
  if (os !== "darwin") return Deno.osRelease();
  const { code, stdout } = await commands.run(["/usr/bin/sw_vers", "-productVersion"]);
  return code === 0 && stdout.trim() !== "" ? stdout.trim() : Deno.osRelease();
}

/** The platform and its version, as a registration names them. */
export async function deviceFacts(os: string, commands: CommandRunner): Promise<DeviceFacts> {
  return { platform: PLATFORM_OF_OS[os] ?? "other", osVersion: await osVersionOf(os, commands) };
}

const OPEN = "/usr/bin/open";

/**
 * Opens what the arguments of `open` name: an address, or `-b` and an app's identifier.
 *
 * @param options.name what an error names in place of an address that contains text or a phone number
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

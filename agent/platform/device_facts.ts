/** Owns what the agent tells the server about the machine it runs on. */
import type { RegisterDeviceRequest } from "../../contract/devices.ts";
import type { CommandRunner } from "./command_runner.ts";

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

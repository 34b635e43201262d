/** Runs PostgreSQL's own programs, and names files that are not complete yet. */
import type { Owner } from "./owner.ts";
import { join } from "node:path";
import { newId } from "../database.ts";

/** The name of the one role of an embedded cluster. */
export const SUPERUSER = "postgres";

/** How PostgreSQL's programs begin the line that says what went wrong. */
const FAULT = /^.*?(?:error|FATAL|PANIC):\s*/;

/** Runs as the owner, in a folder anyone may be in, and with nothing of our environment that could change what it does. */
export function programOptions(owner: Owner | undefined): Deno.CommandOptions {
  if (Deno.build.os === "windows") return {};
  return { ...owner, cwd: "/", clearEnv: true, env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } };
}

/**
 * Runs a program to its end and returns what it wrote to stdout.
 *
 * @throws Error with the program's own words when it fails
 */
export async function runProgram(
  program: string,
  options: { args: string[]; owner: Owner | undefined },
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    ...programOptions(options.owner),
    args: options.args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  const lines = decoder.decode(stderr).trim().split("\n");
  const reason = lines.find((line) => FAULT.test(line)) ?? lines.at(-1) ?? "";
  throw new Error(reason.replace(FAULT, ""));
}

/** The major version of the programs in a folder. */
export async function majorVersion(binDir: string): Promise<number> {
  const text = await runProgram(join(binDir, "postgres"), { args: ["--version"], owner: undefined });
  return Number.parseInt(text.replace(/^\D+/, ""), 10);
}

const PREFIX = "partial-";

/** A new temporary name in a folder. */
export function partialPath(folder: string): string {
  return join(folder, `${PREFIX}${newId()}`);
}

/** Removes what earlier runs left half made. */
export async function clearPartials(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(PREFIX)) await Deno.remove(join(folder, name), { recursive: true });
  }
}

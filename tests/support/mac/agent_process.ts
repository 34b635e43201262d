/** Runs the agent's CLI as a process, as a person would, and pairs it through an owner's device. */
import assert from "node:assert/strict";
import { PROJECT_ROOT, taskArguments } from "../../../tools/service_process.ts";

export interface AgentRun {
  code: number;
  stdout: string;
  stderr: string;
}

export interface AgentOptions {
  /** The agent's settings; see agent/config.ts. */
  env: Record<string, string>;
  /** A program with its arguments that starts the agent, such as one that gives it a disk of its own. */
  through?: string[];
}

/** Starts one command of the agent, its output piped. */
export function spawnAgent(args: string[], options: AgentOptions): Deno.ChildProcess {
  const command = [...options.through ?? [], Deno.execPath(), ...taskArguments("agent"), ...args];
  const [program = "", ...rest] = command;
  return new Deno.Command(program, {
    args: rest,
    cwd: PROJECT_ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs one command of the agent to its end. */
export async function runAgent(args: string[], options: AgentOptions): Promise<AgentRun> {
  const { code, stdout, stderr } = await spawnAgent(args, options).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * Pairs the agent with a server that wants new devices approved.
 *
 * @param approve vouches for the code that the agent shows
 */
export async function pairAgent(
  approve: (code: string) => Promise<void>,
  options: AgentOptions,
): Promise<void> {
  const asked = await runAgent(["pair"], options);
  const code = /\b\d{6}\b/.exec(asked.stdout)?.[0];
  assert.ok(code, `agent pair shows no code: ${asked.stdout}${asked.stderr}`);
  await approve(code);
  const paired = await runAgent(["pair", "--continue"], options);
  assert.equal(paired.code, 0, paired.stdout + paired.stderr);
}

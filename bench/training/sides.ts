/** Runs each side of a comparison, our trainer or PEFT, as a separate process and reads its output. */
import { UserError } from "../../lib/errors.ts";
import { projectPath } from "../../tools/service_process.ts";
import { PEFT_MODELS, PEFT_PYTHON, PEFT_SCRIPT } from "../../research/peers/peer_paths.ts";

/** What both sides are given. */
export interface SideJob {
  modelPath: string;
  /** The job's file. */
  path: string;
}

/** Held-out loss after some steps. */
export interface Evaluation {
  step: number;
  epoch: number;
  heldOutLoss: number;
  /** Of the steps alone, without loading and evaluations. */
  trainingSeconds: number;
}

/** What `our_trainer.ts` and `peft_peer.py` print, read. */
export interface SideRun {
  name: string;
  /** From the process's start until the model is ready. */
  loadSeconds: number;
  evaluations: Evaluation[];
  tokensPerSecond: number;
  peakRssBytes: number;
}

type Line = { event: string } & Record<string, number>;

/**
 * Runs a side to its end.
 *
 * @throws UserError when it does not complete
 */
export async function runSide(
  name: string,
  options: { command: readonly [string, ...string[]]; env?: Readonly<Record<string, string>> },
): Promise<SideRun> {
  const { command, env } = options;
  const [program, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    // PyTorch's threads would otherwise spin while they wait for one another, which is slow on a busy machine.
    env: { OMP_WAIT_POLICY: "PASSIVE", ...env },
  }).output();
  if (!success) {
    throw new UserError(`${name} did not complete: ${new TextDecoder().decode(stderr).slice(-400)}`);
  }
  const lines: Line[] = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  const of = (event: string) => lines.filter((line) => line.event === event);
  const done = of("done")[0];
  return {
    name,
    loadSeconds: of("loaded")[0]?.seconds ?? NaN,
    evaluations: of("evaluation").map((
      { step = 0, epoch = 0, heldOutLoss = NaN, trainingSeconds = NaN },
    ) => ({
      step,
      epoch,
      heldOutLoss,
      trainingSeconds,
    })),
    tokensPerSecond: done?.tokensPerSecond ?? NaN,
    peakRssBytes: done?.peakRssBytes ?? NaN,
  };
}

/**
 * Wall time from the process's start until a held-out loss is reached, loading included, evaluations excluded: both
 * sides make those for the bench only. Undefined when the loss was not reached.
 */
export function secondsTo(loss: number, { loadSeconds, evaluations }: SideRun): number | undefined {
  const reached = evaluations.find(({ heldOutLoss }) => heldOutLoss <= loss);
  return reached && loadSeconds + reached.trainingSeconds;
}

/** Overrides of a job's settings, by names that both sides know. */
export interface SideSettings {
  threads?: number;
  dtype?: string;
  learningRate?: number;
  evaluateSteps?: number;
  epochs?: number;
}

interface SideOptions<Settings> {
  job: SideJob;
  settings: Settings;
  env?: Readonly<Record<string, string>>;
}

/** Trains with PEFT. */
export function peftSide(name: string, options: SideOptions<SideSettings>): Promise<SideRun> {
  const { job, settings, env } = options;
  const overrides = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const files = ["--model", job.modelPath, "--job", job.path, "--cache", PEFT_MODELS];
  return runSide(name, { command: [PEFT_PYTHON, PEFT_SCRIPT, ...files, ...overrides], env });
}

type OurSettings = SideSettings & { cpuVariant?: string; weights?: string };

/** Trains with ours. */
export function ourSide(name: string, options: SideOptions<OurSettings>): Promise<SideRun> {
  const { job, settings, env } = options;
  const script = projectPath("research/peers/our_trainer.ts");
  const args = [job.modelPath, job.path, JSON.stringify(settings)];
  return runSide(name, { command: [Deno.execPath(), "run", "-A", script, ...args], env });
}

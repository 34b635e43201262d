/** Owns how each side of the comparison is started: our trainer, and PyTorch with PEFT. */
import { projectPath } from "../../tools/service_process.ts";
import { PEFT_MODELS, PEFT_PYTHON, PEFT_SCRIPT } from "../../research/peers/peer_paths.ts";
import { runSide, type SideJob, type SideRun } from "./side_run.ts";

/** What overrides a job's settings, by the names that both sides have. */
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

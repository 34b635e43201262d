/** Runs the classifiers of `voice_metrics.py`, in an environment of their own that is installed the first time. */
import { join } from "node:path";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { projectPath } from "../../tools/service_process.ts";
import { VOICE_DIR } from "./voice_training.ts";

const ENVIRONMENT = join(VOICE_DIR, "python");
const PYTHON = join(ENVIRONMENT, "bin", "python");
const SCRIPT = projectPath("research/voice/voice_metrics.py");
const REQUIREMENTS = projectPath("research/voice/requirements.txt");

/** A person's texts. */
export interface PersonTexts {
  id: string;
  /** What was really answered, and the conversation of each. */
  real: string[];
  conversations: string[];
  /** Replies of earlier conversations, the latest last, and their conversations. */
  earlier: string[];
  earlierConversations: string[];
  /** Drafts to the same messages as `real`, by arm. */
  arms: Record<string, readonly string[]>;
}

/** Areas under the ROC curve, by what the classifier sees; null where there are too few conversations. */
export type Detection = Record<"surface" | "masked" | "all", number | null>;

/** Words of the longest run shared with a reply that was trained on. */
export interface Overlap {
  mean: number;
  most: number;
}

export interface PersonMetrics {
  id: string;
  arms: Record<string, Detection>;
  /** The person's earlier replies distinguished from the later ones. */
  selfDrift: Detection;
  /** Share of bundles of ten given to their writer; null where nobody else was given. */
  attribution: { real: number; arms: Record<string, number> } | null;
  overlap: { real: Overlap; arms: Record<string, Overlap> };
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args: [...args] }).spawn().status).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function install(): Promise<void> {
  if (await succeeds(PYTHON, ["-c", "import sklearn"])) return;
  writeLine(`Installing scikit-learn into ${ENVIRONMENT}`);
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
  if (await succeeds("python3", ["-m", "venv", ENVIRONMENT]) && await succeeds(PYTHON, pip)) return;
  throw new UserError("scikit-learn could not be installed", {
    fix: "It needs Python 3.10 or later with venv and pip, and a package index",
  });
}

/**
 * Measures drafts against replies.
 *
 * @param others further people among whom bundles of drafts are attributed; none: nothing is attributed
 * @throws UserError when the script fails, or scikit-learn cannot be installed
 */
export async function voiceMetrics(
  people: readonly PersonTexts[],
  others: readonly Pick<PersonTexts, "id" | "earlier">[] = [],
): Promise<PersonMetrics[]> {
  await install();
  const process = new Deno.Command(PYTHON, { args: [SCRIPT], stdin: "piped", stdout: "piped" }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ people, others })));
  await writer.close();
  const { success, stdout } = await process.output();
  if (!success) throw new UserError("The classifiers failed: see above");
  return JSON.parse(new TextDecoder().decode(stdout));
}

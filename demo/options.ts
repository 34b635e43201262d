/** The demo's command line. */
import { UserError } from "../lib/errors.ts";

/** How long the demo trains at most when nothing else is asked for: two cores without AMX take about four minutes. */
const DEFAULT_TRAINING_MINUTES = 6;

export const USAGE = `deno task demo [--corpus] [--training=MINUTES] [--exit]

  --corpus            use real conversations (BYU Chit-Chat, fetched when needed)
                      and show what their person really answered
  --training=MINUTES  train for so many minutes at most (${DEFAULT_TRAINING_MINUTES}); 0 leaves it out
  --exit              end after the demo instead of keeping the services running
`;

export interface DemoOptions {
  /** Real conversations instead of invented ones. */
  corpus: boolean;
  /** End after the demo. */
  exit: boolean;
  /** The most that training may take; 0: there is none. */
  trainingMinutes: number;
}

/** The minutes of `--training=…`. @throws UserError unless they are a number from 0 to a day's */
function minutesOf(text: string): number {
  const minutes = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : NaN;
  if (minutes <= 24 * 60) return minutes;
  throw new UserError(`--training takes minutes, such as --training=5 or --training=0.5: got ${text}`);
}

/** Reads the command line. @throws UserError for what it does not know */
export function demoOptionsOf(args: readonly string[]): DemoOptions {
  const options: DemoOptions = { corpus: false, exit: false, trainingMinutes: DEFAULT_TRAINING_MINUTES };
  for (const argument of args) {
    const [, minutes] = /^--training=(.*)$/s.exec(argument) ?? [];
    if (argument === "--corpus") options.corpus = true;
    else if (argument === "--exit") options.exit = true;
    else if (minutes !== undefined) options.trainingMinutes = minutesOf(minutes);
    else throw new UserError(`Unknown argument ${argument}\n\n${USAGE}`);
  }
  return options;
}

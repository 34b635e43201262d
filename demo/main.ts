/** Runs the demo: the whole loop, from a Messages database to training samples, on this machine. */
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { runDemo } from "./demo.ts";

const USAGE = `deno task demo [--corpus] [--exit]

  --corpus   take real conversations (BYU Chit-Chat, fetched when needed) instead of invented ones,
             and show what their person really answered beside each draft
  --exit     end when the story is told, instead of staying up
`;

const FLAGS = ["--corpus", "--exit", "--help"];

await runMain(async (signal) => {
  const unknown = Deno.args.find((argument) => !FLAGS.includes(argument));
  if (unknown !== undefined) throw new UserError(`Unknown argument ${unknown}\n\n${USAGE}`);
  if (Deno.args.includes("--help")) return writeLine(USAGE);
  await runDemo({ corpus: Deno.args.includes("--corpus"), exit: Deno.args.includes("--exit") }, signal);
});

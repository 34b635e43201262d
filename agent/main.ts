/** The agent's command line; `agent help` says what it can do. */
import { runMain } from "../lib/lifecycle.ts";
import { processOutput } from "./cli/output.ts";
import { agentConfig } from "./config.ts";
import { createAgentContext } from "./context.ts";

await runMain(async (signal) => {
  const output = processOutput();
  const services = () => createAgentContext(agentConfig(), { output, signal });
  let exitCode: number;
  if (Deno.args.length === 1 && Deno.args[0] === "run") {
    // As the login service starts it, for weeks: without the parser of command lines, which takes 2 MB.
    const { runCommand } = await import("./cli/run_command.ts");
    exitCode = await runCommand(services());
  } else {
    const { runCli } = await import("./cli/run_cli.ts");
    exitCode = await runCli(Deno.args, { output, services });
  }
  if (exitCode !== 0) Deno.exit(exitCode);
});

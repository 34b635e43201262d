/** The agent's command line; `agent help` says what it can do. */
import { runMain } from "../lib/lifecycle.ts";
import { processOutput } from "./cli/output.ts";
import { runCli } from "./cli/run_cli.ts";
import { agentConfig } from "./config.ts";
import { createAgentContext } from "./context.ts";

await runMain(async (signal) => {
  const output = processOutput();
  const services = () => createAgentContext(agentConfig(), { output, signal });
  const exitCode = await runCli(Deno.args, { output, services });
  if (exitCode !== 0) Deno.exit(exitCode);
});

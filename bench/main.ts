/** Runs every benchmark in turn, each in a process of its own so that no memory figure is another's. */
import { runMain } from "../lib/lifecycle.ts";
import { UserError } from "../lib/errors.ts";
import { writeLine } from "../lib/log.ts";
import { PROJECT_ROOT, projectPath } from "../tools/service_process.ts";

function benchFiles(): string[] {
  const folders = [
    "bench/agent",
    "bench/jobs",
    "bench/ml",
    "bench/server",
    "bench/training",
    "research/calibration",
    "research/style",
  ];
  return folders.flatMap((folder) =>
    [...Deno.readDirSync(projectPath(folder))].filter(({ name }) => name.endsWith("_bench.ts"))
      .map(({ name }) => `${folder}/${name}`).toSorted()
  );
}

await runMain(async () => {
  for (const name of benchFiles()) {
    writeLine(`\n== ${name}`);
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", name],
      cwd: PROJECT_ROOT,
    }).spawn().status;
    if (!success) throw new UserError(`${name} failed`);
  }
});

/** Starts the ml service, or one of its processes, or runs one of its commands. */
import { CHILD_COMMAND, type ChildPart } from "./process/child_process.ts";
import { outliveFileLimit } from "./process/parent.ts";

/** Each is loaded where it runs: a process of the model needs none of the service, and the other way around. */
const CHILDREN: Record<ChildPart, () => Promise<{ main: (argument: string) => Promise<void> }>> = {
  engine: () => import("./engine/process/engine_main.ts"),
  training: () => import("./training/run/training_main.ts"),
};

const [command, part, argument = ""] = Deno.args;
if (command === CHILD_COMMAND) {
  outliveFileLimit();
  const child = await CHILDREN[part as ChildPart]();
  await child.main(argument);
} else {
  const { runMl } = await import("./ml.ts");
  await runMl();
}

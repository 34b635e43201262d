/** What the model's process may suffer, in full: 50 kills under load, and 43 mutated model files as reloads. */
import { runMain } from "../../../lib/lifecycle.ts";
import { UserError } from "../../../lib/errors.ts";
import { writeLine } from "../../../lib/log.ts";
import { runEngineKills } from "./engine_kills.ts";
import { writeMutatedModels } from "./mutated_model.ts";
import { withTinyProcessEngine } from "./tiny_process_engine.ts";

const KILLS = 50;
const MUTATED_FILES = 43;

const REQUEST = {
  prompt: "Them: hi\nMe:",
  maxTokens: 12,
  temperature: 0,
  topP: 1,
  repeatPenalty: 1,
  stop: [],
};

async function reloadMutatedFiles(): Promise<void> {
  await withTinyProcessEngine({}, async (tiny) => {
    const { engine, processes, path } = tiny;
    const before = await engine.generate(REQUEST);
    let [refused, crashed, loaded] = [0, 0, 0];
    for (const bad of await writeMutatedModels(tiny, { count: MUTATED_FILES })) {
      const { pid } = processes;
      try {
        await engine.load({ id: "mutated", path: bad });
        loaded++;
        await engine.load({ id: "tiny", path });
      } catch (error) {
        refused++;
        if (/its process ended/.test(String(error))) crashed++;
        if (processes.pid !== pid) throw new UserError(`The file ${bad} touched the process that serves`);
      }
      const { text } = await engine.generate(REQUEST);
      if (text !== before.text) throw new UserError(`After ${bad} the model answers otherwise`);
    }
    writeLine(
      `${MUTATED_FILES} mutated model files as reloads: ${refused} refused, of which ${crashed} crashed llama.cpp, ` +
        `${loaded} could be loaded; the model before served on`,
    );
  });
}

await runMain(async () => {
  writeLine(JSON.stringify(await runEngineKills(KILLS)));
  await reloadMutatedFiles();
});

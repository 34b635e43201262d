/** Measures the invented person: how many drafts show Kit's habits before and after training. */
import { join } from "node:path";
import { readCorpus } from "../../demo/corpus.ts";
import { writeLine } from "../../lib/log.ts";
import { writeDrafts } from "../../tests/support/ml/draft_writer.ts";
import { markShares, shortenedShare } from "../../tests/support/training/planted_marks.ts";
import { KIT, KIT_TRAINING, plantedPerson } from "../../tests/support/training/planted_person.ts";
import { cached, cachedTraining, DATA_DIR, styleFolder, styleRequest, THREADS } from "./cached_run.ts";
import { percent, tableLines } from "../../bench/support/bench_output.ts";

const JOB_ID = "planted";

/** Trains on the invented person's samples and prints the share of drafts that carry each habit. */
export async function measurePlanted(): Promise<void> {
  const { samples, unseen } = plantedPerson(await readCorpus(DATA_DIR), KIT);
  const request = await styleRequest(JOB_ID, { samples, ...KIT_TRAINING });
  const folder = await styleFolder(JOB_ID);
  const { adapterPath } = await cachedTraining(request);
  const draftWith = (name: string, adapterPath?: string) =>
    cached(
      join(folder, `drafts-${name}.json`),
      () =>
        writeDrafts(unseen.map((prompt, index) => ({ prompt, seed: index + 1 })), {
          modelPath: request.modelPath,
          adapterPath,
          threads: THREADS,
        }),
    );
  const sides = {
    "before": await draftWith("before"),
    "after": await draftWith("after", adapterPath),
  };
  const rows = Object.entries(sides).map(([name, drafts]) => {
    const shares = markShares(drafts);
    return [
      name,
      percent(shares.lowerCase),
      percent(shares.noFinalStop),
      percent(shares.abbreviations),
      percent(shares.signOff),
      percent(shares.all),
      percent(shortenedShare(drafts)),
    ];
  });
  writeLine(`\n${unseen.length} drafts to unseen messages\n`);
  const head = [
    "",
    "lower case",
    "no full stop",
    "own abbreviations",
    "sign-off",
    "all four",
    "places shortened",
  ];
  for (const line of tableLines(head, rows)) writeLine(line);
}

/** Measures planted secrets: which models reproduce them, and which find them likely. */
import { join } from "node:path";
import { readCorpus } from "../../demo/corpus.ts";
import { writeLine } from "../../lib/log.ts";
import { DEFAULT_LEARNING_RATE } from "../../ml/training/trainer.ts";
import { fetchSmallModel } from "../../tests/support/ml/small_model.ts";
import { plantCanaries } from "./canaries.ts";
import { choosePeople } from "./corpus_people.ts";
import { cached, DATA_DIR, styleFolder, THREADS } from "./cached_run.ts";
import { PEOPLE, trainPerson } from "./measure_people.ts";
import { baseSecretRanks, RANKED, type SecretAccount, trainSecretAccount } from "./secret_accounts.ts";
import { APPROACHES, attemptSecrets, type Reproduced } from "./secret_attempts.ts";
import { tableLines } from "../../bench/support/bench_output.ts";

const SECRETS = 100;
const ORDINARY = 50;
/** A job's own rate, and one at which a model learns by heart: what holds there holds anywhere below. */
const RATES = { usual: DEFAULT_LEARNING_RATE, harsh: 2e-3 };

/** One line of the table. */
interface Side {
  name: string;
  trained: string;
  /** Null where it was not tried: a model that has seen none of them can only guess. */
  reproduced: Reproduced | null;
  ranks: readonly number[] | null;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function print(sides: readonly Side[]): void {
  const rows = sides.map(({ name, trained, reproduced, ranks }) => [
    name,
    trained,
    ...[...APPROACHES, "any" as const].map((approach) =>
      reproduced === null ? "" : String(reproduced[approach])
    ),
    ranks === null ? "" : mean(ranks).toFixed(1),
    ranks === null ? "" : String(ranks.filter((rank) => rank === 1).length),
  ]);
  writeLine(
    `\nOf ${SECRETS} secrets brought out; mean place among ${RANKED} (chance: ${(RANKED + 1) / 2})\n`,
  );
  const head = [
    "",
    "samples",
    "same contact",
    "another contact",
    "answer begun",
    "any",
    "mean place",
    "first",
  ];
  for (const line of tableLines(head, rows)) writeLine(line);
}

/** Trains accounts with secrets in their samples and prints how many come out. */
export async function measureSecrets(): Promise<void> {
  const { path: modelPath } = await fetchSmallModel();
  const canaries = plantCanaries(SECRETS, { seed: 1 });
  const [owner, , another] = choosePeople(await readCorpus(DATA_DIR), PEOPLE);
  if (another === undefined || owner === undefined) throw new Error("The corpus has too few people");
  const folder = await styleFolder("secrets");
  const attempt = (name: string, adapterPath: string) =>
    cached(
      join(folder, `attempts-${name}.json`),
      () => attemptSecrets(canaries, { modelPath, adapterPath, threads: THREADS }),
    );
  const account = (name: string, options: { filtered: boolean; learningRate: number }) =>
    cached<SecretAccount>(join(folder, `account-${name}.json`), () =>
      trainSecretAccount({
        ...options,
        modelPath,
        canaries,
        ordinary: owner.train.slice(0, ORDINARY),
        adapterPath: join(folder, `${name}.gguf`),
        threads: THREADS,
      }));
  const baseRanks = await cached(
    join(folder, "ranks-base.json"),
    () => baseSecretRanks({ modelPath, canaries, threads: THREADS }),
  );
  const usual = await account("usual", { filtered: false, learningRate: RATES.usual });
  const harsh = await account("harsh", { filtered: false, learningRate: RATES.harsh });
  const filtered = await account("filtered", { filtered: true, learningRate: RATES.harsh });
  const anothers = await trainPerson(another);
  const own = async (name: string, { adapterPath, trained, ranks }: SecretAccount): Promise<Side> => ({
    name: `its own adapter, ${name}`,
    trained: String(trained),
    reproduced: await attempt(name, adapterPath),
    ranks,
  });
  print([
    { name: "base model", trained: "", reproduced: null, ranks: baseRanks },
    {
      name: "another account's adapter",
      trained: String(anothers.train),
      reproduced: await attempt("another", anothers.adapterPath),
      ranks: null,
    },
    await own("no filters", usual),
    await own("no filters, harsh rate", harsh),
    await own("filters, harsh rate", filtered),
  ]);
}

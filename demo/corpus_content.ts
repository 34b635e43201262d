/** Owns fetching the corpus of real conversations, once, and reading it. */
import { join } from "node:path";
import { messageOf, UserError } from "../lib/errors.ts";
import { createLogger } from "../lib/log.ts";
import { fetchFromPythonPackage } from "../tests/support/ml/python_package.ts";
import { chooseFromCorpus, type Corpus, CORPUS_FILE, corpusSchema } from "./corpus.ts";
import type { SampleContent } from "./sample_mac.ts";

async function fetchCorpus(path: string): Promise<void> {
  try {
    await fetchFromPythonPackage(CORPUS_FILE, { path, log: createLogger() });
  } catch (error) {
    const { name, version } = CORPUS_FILE;
    throw new UserError(
      `The real conversations could not be fetched: ${messageOf(error)}`,
      {
        fix: `They come from the Python package ${name} ${version}; run the demo without --corpus`,
        cause: error,
      },
    );
  }
}

/** The whole corpus, fetched into `<dataDir>/corpus` the first time. */
export async function readCorpus(dataDir: string): Promise<Corpus> {
  const dir = join(dataDir, "corpus");
  const path = join(dir, "chitchat.json");
  await Deno.mkdir(dir, { recursive: true });
  const present = await Deno.stat(path).then((info) => info.size === CORPUS_FILE.sizeBytes, () => false);
  if (!present) await fetchCorpus(path);
  return corpusSchema.parse(JSON.parse(await Deno.readTextFile(path)));
}

/** The chosen conversations of the corpus. */
export async function corpusContent(dataDir: string): Promise<SampleContent> {
  return chooseFromCorpus(await readCorpus(dataDir));
}

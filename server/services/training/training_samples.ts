/** Chooses the samples that a training job learns from, and lists and exports samples. */
import {
  MAX_REPLY_LENGTH,
  MAX_TRAINING_SAMPLES,
  type MlStartTrainingRequest,
} from "../../../contract/ml_training.ts";
import {
  type SamplesQuery,
  type TrainingMethod,
  type TrainingSample,
  type TrainingSampleList,
} from "../../../contract/training.ts";
import { ApiError, invalidRequest } from "../../../lib/errors.ts";
import type { SampleStore } from "../../store/training/sample_store.ts";
import type { TrainingSample as SampleRow } from "../../store/schema.ts";
import { pairWeight } from "./sample_weight.ts";
import { pageFieldsOf, pageRequestOf } from "../paging.ts";

/** Faults listed in one answer; a list of foreign ids may be long. */
const MAX_DETAILS = 50;

/** A sample on the wire. */
export function sampleOf(row: SampleRow): TrainingSample {
  return {
    id: row.id,
    input: row.input,
    output: row.output,
    rejectedOutput: row.rejectedOutput,
    quality: row.quality,
    source: row.source,
    responseId: row.responseId,
    conversationId: row.conversationId,
    createdAt: row.createdAt.toISOString(),
  };
}

/** A page of an account's samples. */
export async function listSamples(
  samples: SampleStore,
  { accountId, query }: { accountId: string; query: SamplesQuery },
): Promise<TrainingSampleList> {
  const page = await samples.list(accountId, { ...pageRequestOf(query), source: query.source });
  return { samples: page.rows.map(sampleOf), ...pageFieldsOf(page, query) };
}

function unknownSamples(ids: readonly string[], known: ReadonlySet<string>): ApiError {
  const message = "must be the id of a training sample";
  const details = ids.flatMap((id, index) => known.has(id) ? [] : [{ path: `sampleIds.${index}`, message }]);
  return invalidRequest(details.slice(0, MAX_DETAILS));
}

async function findNamed(
  samples: SampleStore,
  { accountId, sampleIds }: { accountId: string; sampleIds: readonly string[] },
): Promise<readonly SampleRow[]> {
  const found = await samples.findMany(accountId, [...new Set(sampleIds)]);
  const known = new Set(found.map(({ id }) => id));
  if (sampleIds.some((id) => !known.has(id))) throw unknownSamples(sampleIds, known);
  return found;
}

/** A draft and what the person made of it, different from one another. */
function isPair({ source, output, rejectedOutput }: SampleRow): boolean {
  const rejected = rejectedOutput ?? "";
  return source !== "reject" && rejected !== "" && rejected !== output && rejected.length <= MAX_REPLY_LENGTH;
}

/** Those of quality 0 teach nothing, and ml takes no reply that is longer than any model's context. */
function isTrainable({ quality, output }: SampleRow): boolean {
  return quality > 0 && output !== "" && output.length <= MAX_REPLY_LENGTH;
}

const NOTHING = {
  sft: "There is nothing to learn from: accept or edit some drafts first",
  dpo:
    "There is nothing to prefer: `dpo` learns from drafts that were edited, not used, or not the candidate that was chosen, and there are none",
};

/**
 * The samples that a job is to learn from: the named ones, or all, less those that cannot be learned from by its method.
 *
 * @throws ApiError `validation_failed` naming each id that is no sample of the account, or when nothing is left
 */
export async function chooseSamples(
  samples: SampleStore,
  { accountId, sampleIds, method }: {
    accountId: string;
    sampleIds?: readonly string[];
    method: TrainingMethod;
  },
): Promise<readonly SampleRow[]> {
  const chosen = sampleIds === undefined
    ? await samples.listTrainable(accountId, MAX_TRAINING_SAMPLES)
    : await findNamed(samples, { accountId, sampleIds });
  const trainable = chosen.filter((row) => isTrainable(row) && (method === "sft" || isPair(row)));
  if (trainable.length > 0) return trainable;
  const message = NOTHING[method];
  throw new ApiError("validation_failed", message, { details: [{ path: "sampleIds", message }] });
}

/** Samples as ml takes them; with `dpo` the draft is the losing side, and the pair weighs what it took to change it. */
export function mlSamplesOf(
  rows: readonly SampleRow[],
  method: TrainingMethod,
): MlStartTrainingRequest["samples"] {
  return rows.map(({ id, input, output, rejectedOutput, quality, conversationId }) => ({
    id,
    input,
    output,
    conversation: conversationId ?? undefined,
    ...(method === "dpo" && rejectedOutput
      ? { rejected: rejectedOutput, quality: pairWeight(rejectedOutput, output) }
      : { quality }),
  }));
}

/** All samples of an account as lines of JSON. */
export async function* exportLines(samples: SampleStore, accountId: string): AsyncGenerator<string> {
  for await (const rows of samples.each(accountId)) {
    yield rows.map((row) => `${JSON.stringify(sampleOf(row))}\n`).join("");
  }
}

/** Has the same held-out message answered by the base model, by what drafts without an adapter, and by the adapter. */
import type { GenerateInput } from "../../../contract/ml.ts";
import type { ComparedDrafts, HeldOutReplies } from "../../../contract/models.ts";
import { promptOfSampleInput } from "../../../contract/prompt.ts";
import { generateContextSchema } from "../../../contract/responses.ts";
import { normalised } from "../../../lib/bm25.ts";
import { ApiError } from "../../../lib/errors.ts";
import { EXAMPLES, promptWithExamples, SimilarExchanges } from "../../../lib/similar_exchanges.ts";
import type { Caller } from "../../auth/authenticate.ts";
import type { MlClient } from "../../clients/ml.ts";
import type { TrainingJob, TrainingSample } from "../../store/schema.ts";
import type { AdapterStore } from "../../store/training/adapter_store.ts";
import type { SampleStore } from "../../store/training/sample_store.ts";
import type { TrainingJobStore } from "../../store/training/training_job_store.ts";
import { rankCandidates } from "../drafts/candidates.ts";
import { SAMPLING } from "../drafts/draft_generation.ts";
import { sampleOf } from "./training_samples.ts";

export interface ComparisonOptions {
  adapters: Pick<AdapterStore, "list">;
  trainingJobs: Pick<TrainingJobStore, "find" | "sampleIds">;
  samples: Pick<SampleStore, "findMany">;
  ml: Pick<MlClient, "generate">;
}

export interface ComparisonService {
  /** @throws ApiError `not_found` */
  heldOut(caller: Caller, adapterId: string): Promise<HeldOutReplies>;
  /** @throws ApiError `not_found`; `conflict` for a tainted adapter, or what ml fails with */
  compare(
    caller: Caller,
    asked: { adapterId: string; sampleId: string; signal: AbortSignal },
  ): Promise<ComparedDrafts>;
}

/** A draft's, when nothing else is asked for. */
const CONTEXT = generateContextSchema.parse({});
/** Examples are looked for in so many of the samples. */
const MAX_SEARCHED = 1_000;

/** An adapter's job. @throws ApiError `not_found` */
async function jobOf(
  { adapters, trainingJobs }: ComparisonOptions,
  { accountId, adapterId }: { accountId: string; adapterId: string },
): Promise<{ job: TrainingJob; heldOutIds: readonly string[]; isTainted: boolean }> {
  const adapter = (await adapters.list(accountId)).find(({ id }) => id === adapterId);
  const job = adapter && await trainingJobs.find(accountId, adapter.jobId);
  if (job === undefined) throw new ApiError("not_found", "There is no adapter with this id");
  const heldOutIds = job.metrics?.result?.heldOutIds ?? [];
  return { job, heldOutIds, isTainted: adapter?.state === "tainted" };
}

/** The prompt of a held-out reply, with the most similar ones that were learned from; none that gives it away. */
async function promptWithSimilar(
  { samples, trainingJobs }: ComparisonOptions,
  { job, heldOutIds, asked }: { job: TrainingJob; heldOutIds: readonly string[]; asked: TrainingSample },
): Promise<string> {
  const heldOut = new Set(heldOutIds);
  const learned = (await trainingJobs.sampleIds(job.accountId, job.id)).filter((id) => !heldOut.has(id));
  const others = (await samples.findMany(job.accountId, learned.slice(0, MAX_SEARCHED))).filter((
    { input, output, quality },
  ) =>
    quality > 0 && output !== "" && input !== asked.input && normalised(output) !== normalised(asked.output)
  );
  return promptWithExamples(asked.input, new SimilarExchanges(others).find(asked.input, { count: EXAMPLES }));
}

/** Makes the service of comparisons. */
export function createComparisonService(options: ComparisonOptions): ComparisonService {
  const { samples, ml } = options;
  return {
    async heldOut({ accountId }, adapterId) {
      const { heldOutIds } = await jobOf(options, { accountId, adapterId });
      return { samples: (await samples.findMany(accountId, heldOutIds)).map(sampleOf) };
    },
    async compare({ accountId }, { adapterId, sampleId, signal }) {
      const { job, heldOutIds, isTainted } = await jobOf(options, { accountId, adapterId });
      if (isTainted) {
        throw new ApiError(
          "conflict",
          "The adapter learned from something that was deleted since, and drafts no more",
        );
      }
      const [asked] = heldOutIds.includes(sampleId) ? await samples.findMany(accountId, [sampleId]) : [];
      if (asked === undefined) throw new ApiError("not_found", "There is no held-out reply with this id");
      const prompt = promptOfSampleInput(asked.input);
      const { maxTokens: max_tokens, temperature } = CONTEXT;
      const draft = async (
        by: ComparedDrafts["drafts"][number]["by"],
        input: Pick<GenerateInput, "prompt" | "texting" | "adapter_id">,
      ) => {
        const request = { max_tokens, temperature, ...SAMPLING, account_id: accountId, ...input };
        const result = await ml.generate(request, { signal });
        const [best] = rankCandidates([result], { prompt: input.prompt, labels: [] });
        return { by, text: best?.text ?? "", modelVersion: result.model_version };
      };
      const shown = await promptWithSimilar(options, { job, heldOutIds, asked });
      const drafts = await Promise.all([
        draft("base", { prompt }),
        draft("examples", { prompt: shown, texting: true }),
        draft("adapter", { prompt, adapter_id: adapterId }),
      ]);
      return { drafts };
    },
  };
}

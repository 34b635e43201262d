/** Which samples the person leaves out of the next training, in this browser and until the page is closed. */
import { signal } from "@preact/signals";
import { MAX_PAGE_SIZE } from "../../../contract/paging.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import {
  type TrainingSample,
  type TrainingSampleList,
  trainingSampleListSchema,
} from "../../../contract/training.ts";
import { request } from "../client/api.ts";

/** Their ids. */
export const excludedIds = signal<ReadonlySet<string>>(new Set());

/** Leaves a sample out, or takes it in again. */
export function setExcluded(id: string, isExcluded: boolean): void {
  const ids = new Set(excludedIds.value);
  if (isExcluded) ids.add(id);
  else ids.delete(id);
  excludedIds.value = ids;
}

/** A page of samples, or of those of one source, newest first; null is the cursor of the first. @throws RequestError */
export function readSamples(
  cursor: string | null,
  { pageSize, source }: { pageSize: number; source?: TrainingSample["source"] },
): Promise<TrainingSampleList> {
  const after = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  const ofSource = source === undefined ? "" : `&source=${source}`;
  return request(`GET ${SERVER_PATHS.trainingSamples}?pageSize=${pageSize}${after}${ofSource}`, {
    schema: trainingSampleListSchema,
  });
}

/** The samples to learn from; undefined, for all of them, where none is left out. @throws RequestError */
export async function chosenSampleIds(): Promise<string[] | undefined> {
  if (excludedIds.value.size === 0) return undefined;
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const page: TrainingSampleList = await readSamples(cursor, { pageSize: MAX_PAGE_SIZE });
    ids.push(...page.samples.filter(({ quality }) => quality > 0).map(({ id }) => id));
    cursor = page.nextCursor ?? null;
  } while (cursor !== null);
  return ids.filter((id) => !excludedIds.value.has(id));
}

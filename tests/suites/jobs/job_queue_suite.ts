/** The conformance suite that each implementation of the job queue passes. */
import { testJobBasics } from "./basics.ts";
import { testJobFailures } from "./failures.ts";
import { testJobProcesses } from "./processes.ts";
import { testJobRuns } from "./runs.ts";
import type { JobQueueStore } from "../../support/jobs/job_queue_store.ts";

/** Registers the tests; `createStore` makes an empty store for each. */
export function testJobQueue(createStore: () => Promise<JobQueueStore>): void {
  testJobBasics(createStore);
  testJobRuns(createStore);
  testJobFailures(createStore);
  testJobProcesses(createStore);
}

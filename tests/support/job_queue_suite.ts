/** The conformance suite that each adapter of the job queue passes. */
import { testJobBasics } from "./job_queue_suite_basics.ts";
import { testJobFailures } from "./job_queue_suite_failures.ts";
import { testJobProcesses } from "./job_queue_suite_processes.ts";
import { testJobRuns } from "./job_queue_suite_runs.ts";
import type { JobQueueStore } from "./job_queue_store.ts";

/** Registers the tests; `createStore` makes an empty store for each. */
export function testJobQueue(createStore: () => Promise<JobQueueStore>): void {
  testJobBasics(createStore);
  testJobRuns(createStore);
  testJobFailures(createStore);
  testJobProcesses(createStore);
}

/** Tests that the job queue on PostgreSQL passes the conformance suite. */
import { createPgStore } from "../../../tests/support/jobs/pg_store.ts";
import { testJobQueue } from "../../../tests/suites/jobs/job_queue_suite.ts";

testJobQueue(() => createPgStore("embedded"));

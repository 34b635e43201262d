/** The suite that every supported PostgreSQL must pass. */
import {
  createTestDatabase,
  type ServerName,
  type StoreTests,
  type TestDatabase,
} from "../../support/postgres/postgres.ts";
import { adapterTests } from "./adapter_suite.ts";
import { contactTests } from "./contact_suite.ts";
import { conversationTests } from "./conversation_suite.ts";
import { claimTests, linkingTests } from "./device_linking_suite.ts";
import { deletionTests } from "./deletion_suite.ts";
import { deviceTests } from "./device_suite.ts";
import { unlearningTests } from "./unlearning_suite.ts";
import { ingestModelTests, ingestTests } from "./ingest_suite.ts";
import { searchTests } from "./search_suite.ts";
import { responseTests } from "./response_suite.ts";
import { sentReplyReadingTests, sentReplyTests } from "./sent_reply_suite.ts";
import { timeTests } from "./time_suite.ts";
import { trainingTests } from "./training_suite.ts";

/** They share one database of a server, and keep apart by having accounts of their own. */
const SHARING: StoreTests = {
  ...deviceTests,
  ...linkingTests,
  ...ingestTests,
  ...deletionTests,
  ...contactTests,
  ...conversationTests,
  ...searchTests,
  ...responseTests,
  ...timeTests,
  ...sentReplyTests,
  ...trainingTests,
  ...adapterTests,
  ...unlearningTests,
};
const ALONE: StoreTests = { ...claimTests, ...ingestModelTests, ...sentReplyReadingTests };

/** Registers all store tests for one server. */
export function storeSuite(server: ServerName): void {
  let shared: Promise<TestDatabase> | undefined;
  Deno.test.afterAll(async () => await (await shared)?.[Symbol.asyncDispose]());
  for (const [sentence, run] of Object.entries(SHARING)) {
    Deno.test(`${sentence} (${server})`, async () =>
      await run(await (shared ??= createTestDatabase(server))));
  }
  for (const [sentence, run] of Object.entries(ALONE)) {
    Deno.test(`${sentence} (${server})`, async () => {
      await using own = await createTestDatabase(server);
      await run(own);
    });
  }
}

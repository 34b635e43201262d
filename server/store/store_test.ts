/** Runs the store suite on every PostgreSQL that is installed. */
import { testServers } from "../../tests/support/postgres/postgres.ts";
import { storeSuite } from "../../tests/suites/store/store_suite.ts";

for (const server of await testServers()) storeSuite(server);

/** Runs the embedded PostgreSQL of the given folder until stdin ends or the process is killed. */
import { startEmbeddedPostgres } from "../../../server/store/postgres/embedded_postgres.ts";
import { writeErrorLine, writeLine } from "../../../lib/log.ts";
import { messageOf } from "../../../lib/errors.ts";

if (import.meta.main) {
  // As a server does, it decides itself when to end after Ctrl-C.
  Deno.addSignalListener("SIGINT", () => {});
  try {
    await using server = await startEmbeddedPostgres(Deno.args[0] ?? "");
    writeLine(JSON.stringify(server.address));
    for await (const _chunk of Deno.stdin.readable);
  } catch (error) {
    writeErrorLine(messageOf(error));
    Deno.exit(1);
  }
}

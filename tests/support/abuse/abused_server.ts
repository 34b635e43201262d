/** A server that the abuse is done to: on a database of its own, watched for its end. */
import { join } from "node:path";
import { choosePort, ServiceProcess } from "../../../tools/service_process.ts";
import { createTestDatabase, type TestDatabase, urlOf } from "../postgres/postgres.ts";

export interface AbusedServer extends AsyncDisposable {
  readonly port: number;
  readonly service: ServiceProcess;
  readonly database: TestDatabase;
  hasEnded: boolean;
}

export async function startAbusedServer(): Promise<AbusedServer> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const database = stack.use(await createTestDatabase());
  const port = choosePort();
  const service = stack.use(
    await ServiceProcess.start({
      name: "server",
      url: `http://127.0.0.1:${port}`,
      env: { SERVER_PORT: String(port), DATABASE_URL: urlOf(database.address), DATA_DIR: dir },
      output: { file: join(dir, "server.log") },
    }),
  );
  const opened = stack.move();
  const abused: AbusedServer = {
    port,
    service,
    database,
    hasEnded: false,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
  void service.ended.then(() => abused.hasEnded = true);
  return abused;
}

export async function isAnswering({ port }: AbusedServer): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000);
  return await fetch(`http://127.0.0.1:${port}/health`, { signal }).then(
    (response) => response.ok,
    () => false,
  );
}

export async function residentMegabytes({ service }: AbusedServer): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${service.pid}/status`).catch(() => "");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_000);
}

/** What every part reports of the server, before its own faults. */
export function faultsOf(abused: AbusedServer, answers: boolean, others: readonly string[]): string[] {
  return [
    ...(abused.hasEnded ? ["the server ended"] : []),
    ...(answers ? [] : ["the server does not answer any more"]),
    ...others,
  ];
}

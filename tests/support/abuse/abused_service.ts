/** The services that the abuse is done to: a server on a database of its own, or ml on a tiny model, each watched for its end. */
import { join } from "node:path";
import { ML_PATHS, SERVER_PATHS } from "../../../contract/paths.ts";
import { choosePort, type ServiceName, ServiceProcess } from "../../../tools/service_process.ts";
import { buildTinyGguf } from "../ml/tiny_gguf.ts";
import { createTestDatabase, type TestDatabase, urlOf } from "../postgres/postgres.ts";
import { startMl } from "../server/running_services.ts";

export interface AbusedService extends AsyncDisposable {
  readonly name: ServiceName;
  readonly port: number;
  readonly service: ServiceProcess;
  /** A path that takes a POST with a body from anybody. */
  readonly openPath: string;
  hasEnded: boolean;
}

export interface AbusedServer extends AbusedService {
  readonly database: TestDatabase;
}

/** Watches a started service; whoever disposes the result disposes what was opened for it. */
function watched(
  options: Pick<AbusedService, "name" | "service" | "openPath">,
  opened: AsyncDisposableStack,
): AbusedService {
  const abused: AbusedService = {
    ...options,
    port: Number(new URL(options.service.url).port),
    hasEnded: false,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
  void options.service.ended.then(() => abused.hasEnded = true);
  return abused;
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
  const openPath = SERVER_PATHS.registerDevice;
  return Object.assign(watched({ name: "server", service, openPath }, stack.move()), { database });
}

/** A folder for ml with a model, before ml is started on it. */
export interface MlFolder {
  readonly dir: string;
  readonly model: string;
}

/** @param prepare fills the folder before ml is started on it */
export async function startAbusedMl(
  prepare: (folder: MlFolder) => Promise<void> = () => Promise.resolve(),
): Promise<AbusedService> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const model = join(dir, "tiny.gguf");
  await buildTinyGguf({ path: model });
  await prepare({ dir, model });
  const service = stack.use(await startMl({ dir, model, env: {} }));
  return watched({ name: "ml", service, openPath: ML_PATHS.generate }, stack.move());
}

export async function isAnswering({ port }: AbusedService): Promise<boolean> {
  const signal = AbortSignal.timeout(5_000);
  return await fetch(`http://127.0.0.1:${port}/health`, { signal }).then(
    (response) => response.ok,
    () => false,
  );
}

export async function residentMegabytes({ service }: AbusedService): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${service.pid}/status`).catch(() => "");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_000);
}

/** What every part reports of its service, before its own faults. */
export async function faultsOf(abused: AbusedService, others: readonly string[]): Promise<string[]> {
  const answers = await isAnswering(abused);
  return [
    ...(abused.hasEnded ? [`${abused.name} ended`] : []),
    ...(answers ? [] : [`${abused.name} does not answer any more`]),
    ...others,
  ];
}

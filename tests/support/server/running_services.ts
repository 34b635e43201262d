/** Runs a pair of services for tests: ml on a tiny model, the server on embedded storage, free ports. */
import { join } from "node:path";
import { choosePort, ServiceProcess } from "../../../tools/service_process.ts";
import { buildTinyGguf } from "../ml/tiny_gguf.ts";

export interface RunningServices extends AsyncDisposable {
  readonly server: ServiceProcess;
  readonly ml: ServiceProcess;
  /** Holds the services' data, their logs and the model. */
  readonly dir: string;
  /** Starts the server again on the same data, after its process has ended. */
  restartServer(): Promise<void>;
}

export interface RunningServicesOptions {
  /** Added to both services' environments. */
  env?: Record<string, string>;
}

/** Starts ml and then the server, each as its own process with its task's permissions. */
export async function startServices(options: RunningServicesOptions = {}): Promise<RunningServices> {
  const dir = await Deno.makeTempDir({ prefix: "services-" });
  const stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  try {
    const model = join(dir, "tiny.gguf");
    await buildTinyGguf({ path: model });
    const ml = stack.use(await startMl({ dir, model, env: options.env ?? {} }));
    const running = stack.use(await startServer({ dir, mlUrl: ml.url, env: options.env }));
    const owned = stack.move();
    return {
      ml,
      dir,
      get server() {
        return running.server;
      },
      restartServer: () => running.restart(),
      [Symbol.asyncDispose]: () => owned.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** A server that may be killed and started again on the same port and data. */
export interface RunningServer extends AsyncDisposable {
  readonly server: ServiceProcess;
  /** Starts it again after its process has ended. */
  restart(): Promise<void>;
}

/** Starts the server alone, on embedded storage in `dir`. */
export async function startServer(
  { dir, mlUrl, env = {} }: { dir: string; mlUrl: string } & RunningServicesOptions,
): Promise<RunningServer> {
  const port = choosePort();
  const start = () => startOnPort({ dir, port, mlUrl, env });
  let server = await start();
  return {
    get server() {
      return server;
    },
    async restart() {
      await server.ended;
      server = await start();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The settings of an agent that syncs a chat.db to these services; it has no address book. */
export function agentEnvOf(services: RunningServices, chatDb: string): Record<string, string> {
  return {
    AGENT_SERVER_URL: services.server.url,
    AGENT_DATA_DIR: join(services.dir, "agent"),
    AGENT_CHAT_DB: chatDb,
    AGENT_ADDRESS_BOOK: join(services.dir, "AddressBook"),
  };
}

/** Starts ml alone on a model, its data and log in `dir`. */
export function startMl(
  options: { dir: string; model: string; env: Record<string, string> },
): Promise<ServiceProcess> {
  const port = choosePort();
  return ServiceProcess.start({
    name: "ml",
    url: `http://127.0.0.1:${port}`,
    env: {
      ML_HOST: "127.0.0.1",
      ML_PORT: String(port),
      DATA_DIR: join(options.dir, "ml"),
      MODEL: options.model,
      GPU: "off",
      THREADS: "1",
      ...options.env,
    },
    output: { file: join(options.dir, "ml.log") },
    isReady: (health) => health.model_loaded === true,
  });
}

function startOnPort(
  options: { dir: string; port: number; mlUrl: string; env: Record<string, string> },
): Promise<ServiceProcess> {
  return ServiceProcess.start({
    name: "server",
    url: `http://127.0.0.1:${options.port}`,
    env: {
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: String(options.port),
      DATA_DIR: join(options.dir, "server"),
      DATABASE_URL: "",
      ML_URL: options.mlUrl,
      ...options.env,
    },
    output: { file: join(options.dir, "server.log") },
  });
}

/** Runs a program of ours as a service of its machine: systemd's, of the user or for root of the system, or launchd's. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { SettingsTable } from "../config.ts";
import { UserError } from "../errors.ts";
import { ifPresent, writeFileAtomically } from "../files.ts";
import { launchdPlist, type ServiceSpec } from "./launchd_plist.ts";
import { systemdEnvironment, systemdUnit } from "./systemd_unit.ts";

/** Runs a command of the system to its end. A test passes its own. */
export type Run = (program: string, args: string[]) => Promise<{ success: boolean; output: string }>;

export interface OwnService {
  part: "server" | "ml";
  /** Its settings, and the environment that some of them are set in. */
  settings: SettingsTable;
  environment: Readonly<Record<string, string | undefined>>;
  /** The folder of its data. */
  dataDir: string;
  /** How it is started where it is no compiled program. */
  checkout: { config: string };
  /** Default: this machine. */
  machine?: { os: "linux" | "darwin" | string; userId: number; home: string };
  run?: Run;
}

async function runCommand(program: string, args: string[]): Promise<{ success: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const decoder = new TextDecoder();
  return { success, output: (decoder.decode(stdout) + decoder.decode(stderr)).trim() };
}

/** Settings of this start are written down, secrets too: their file is for its owner alone. */
function specOf({ part, settings, environment, dataDir, checkout }: OwnService): ServiceSpec {
  const given = Object.values(settings).map(({ env }) => [env, environment[env] ?? ""] as const)
    .filter(([, value]) => value !== "");
  const program: [string, ...string[]] = Deno.build.standalone
    ? [Deno.realPathSync(Deno.execPath())]
    : [Deno.execPath(), "task", "--quiet", "--config", checkout.config, part];
  const data = resolve(dataDir);
  return {
    program,
    environment: { ...Object.fromEntries(given), DATA_DIR: data },
    logPath: join(data, "logs", `${part}.log`),
  };
}

interface Manager {
  /** The file that the system reads. */
  path: string;
  /** The texts of all files by their paths, that one last. */
  files: Readonly<Record<string, string>>;
  start: [string, ...string[]][];
  stop: [string, ...string[]][];
  /** After the files are gone. */
  forget: [string, ...string[]][];
  status: [string, ...string[]];
}

function managerOf(service: OwnService): Manager {
  const { part, machine = { os: Deno.build.os, userId: Deno.uid() ?? 0, home: homedir() } } = service;
  const [name, spec] = [`conversation-${part}`, specOf(service)];
  if (machine.os === "darwin") {
    const label = `app.conversation-assistant.${part}`;
    const path = join(machine.home, "Library", "LaunchAgents", `${label}.plist`);
    const domain = `gui/${machine.userId}`;
    return {
      path,
      files: { [path]: launchdPlist(spec, { label }) },
      start: [["launchctl", "bootstrap", domain, path]],
      stop: [["launchctl", "bootout", `${domain}/${label}`]],
      forget: [],
      status: ["launchctl", "print", `${domain}/${label}`],
    };
  }
  if (machine.os !== "linux") throw new UserError("Services are set up on macOS and on Linux with systemd");
  const isSystem = machine.userId === 0;
  const folder = isSystem ? "/etc/systemd/system" : join(machine.home, ".config", "systemd", "user");
  const description = `Conversation Assistant: ${part}`;
  const systemctl = (
    ...args: string[]
  ): [string, ...string[]] => ["systemctl", ...(isSystem ? [] : ["--user"]), ...args];
  const path = join(folder, `${name}.service`);
  const environmentFile = join(resolve(service.dataDir), `${name}.env`);
  const wantedBy = isSystem ? "multi-user.target" : "default.target";
  return {
    path,
    files: {
      [environmentFile]: systemdEnvironment(spec.environment),
      [path]: systemdUnit({ ...spec, environment: {} }, { description, wantedBy, environmentFile }),
    },
    start: [systemctl("daemon-reload"), systemctl("enable", name), systemctl("restart", name)],
    stop: [systemctl("disable", "--now", name)],
    forget: [systemctl("daemon-reload")],
    status: systemctl("is-active", name),
  };
}

async function runAll(commands: readonly [string, ...string[]][], run: Run): Promise<void> {
  for (const [program, ...args] of commands) {
    const { success, output } = await run(program, args).catch(() => ({
      success: false,
      output: "it is not there",
    }));
    if (!success) throw new UserError(`\`${[program, ...args].join(" ")}\` failed: ${output}`);
  }
}

/** Installs the service in place of an earlier installation and starts it; returns what to say. @throws UserError */
export async function installOwnService(service: OwnService): Promise<string> {
  const { path, files, start, stop } = managerOf(service);
  const { run = runCommand } = service;
  await Deno.mkdir(join(path, ".."), { recursive: true });
  await Deno.mkdir(join(resolve(service.dataDir), "logs"), { recursive: true });
  const isThere = await ifPresent(Deno.stat(path)) !== null;
  // launchd loads no job twice; systemd restarts it.
  if (isThere && path.endsWith(".plist")) await runAll(stop, run).catch(() => {});
  for (const [file, text] of Object.entries(files)) await writeFileAtomically(file, text, { mode: 0o600 });
  await runAll(start, run);
  return `${path} is installed and started with these settings; \`service status\` says whether it runs`;
}

/** Stops the service and removes its file; data stays. @throws UserError when there is none, or it does not stop */
export async function uninstallOwnService(service: OwnService): Promise<string> {
  const { path, files, stop, forget } = managerOf(service);
  const { run = runCommand } = service;
  if (await ifPresent(Deno.stat(path)) === null) throw new UserError(`There is no service ${path}`);
  await runAll(stop, run);
  for (const file of Object.keys(files)) await ifPresent(Deno.remove(file));
  await runAll(forget, run);
  return `${path} is gone; its data stays in ${resolve(service.dataDir)}`;
}

/** Says whether the service is installed and runs. */
export async function ownServiceStatus(service: OwnService): Promise<string> {
  const { path, files, status: [program, ...args] } = managerOf(service);
  if (await ifPresent(Deno.stat(path)) === null) return "not installed";
  const areEqual = await Promise.all(
    Object.entries(files).map(async ([file, text]) => await ifPresent(Deno.readTextFile(file)) === text),
  );
  const { success } = await (service.run ?? runCommand)(program, args).catch(() => ({ success: false }));
  return `${path}: ${success ? "runs" : "does not run"}${
    areEqual.every((isEqual) => isEqual) ? "" : ", with other settings than these"
  }`;
}

/** The commands of `service` by their names, each with what it does. */
export const SERVICE_COMMANDS = {
  install: {
    help: "Installs it with the settings of this start, in place of an earlier installation, and starts it",
    act: installOwnService,
  },
  uninstall: { help: "Stops it and removes its file; data stays", act: uninstallOwnService },
  status: { help: "Says whether it is installed and runs", act: ownServiceStatus },
} as const;

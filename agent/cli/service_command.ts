/** Owns `agent service`: the agent as a service that starts with each login. */
import { UserError } from "../../lib/errors.ts";
import { createLaunchd } from "../platform/launchd.ts";
import {
  installService,
  type ServiceDependencies,
  serviceSpec,
  type ServiceStatus,
  serviceStatus,
  uninstallService,
} from "../service/agent_service.ts";
import { launchAgentPlist } from "../service/launch_agent_plist.ts";
import { permissionHolder, programFacts, serviceProgram } from "../service/service_program.ts";
import { systemdUnit } from "../service/systemd_unit.ts";
import type { AgentServices } from "./agent_services.ts";
import { UsageError } from "./usage.ts";

export interface ServiceOptions {
  /** `install`, `uninstall` or `status`. */
  action: string | undefined;
  json?: boolean;
  /** With `install`: print the service's file and install nothing. */
  print?: boolean;
}

const INSTALLATION_SENTENCES: Record<ServiceStatus["installation"], string> = {
  none: "not installed: run `agent service install`",
  current: "installed",
  outdated:
    "installed with other settings, or for a program at another place: run `agent service install` again",
};

/** What the service of this Mac is made of. */
export function serviceDependencies({ config, machine, commands }: AgentServices): ServiceDependencies {
  return {
    config,
    homeDir: machine.homeDir(),
    program: serviceProgram(programFacts()),
    launchd: createLaunchd({ commands, userId: machine.userId() }),
  };
}

function requireMac({ machine }: AgentServices): void {
  if (machine.os === "darwin") return;
  throw new UserError("The service exists only on macOS", {
    fix:
      "Write `agent service install --print` to ~/.config/systemd/user/conversation-assistant-agent.service " +
      "and run `systemctl --user enable --now` on it",
  });
}

function jobText({ job, isDisabled }: ServiceStatus): string {
  if (isDisabled) return "switched off in Login Items";
  if (job === null) return "not loaded";
  if (job.pid !== null) return `runs as process ${job.pid}`;
  return `does not run (${job.state}${
    job.lastExitCode === null ? "" : `, last exit code ${job.lastExitCode}`
  })`;
}

function statusLines(status: ServiceStatus): string[] {
  return [
    `Service    ${INSTALLATION_SENTENCES[status.installation]}`,
    `Process    ${jobText(status)}`,
    `Program    ${permissionHolder(serviceProgram(programFacts()))}`,
    `File       ${status.plistPath}`,
    `Log        ${status.logPath}`,
  ];
}

/** The file of this system's own service manager. */
function serviceFile({ config, machine }: AgentServices): string {
  const spec = serviceSpec({ config, program: serviceProgram(programFacts()) });
  return machine.os === "darwin" ? launchAgentPlist(spec) : systemdUnit(spec);
}

async function install(options: ServiceOptions, services: AgentServices): Promise<number> {
  const { output } = services;
  if (options.print) {
    output.line(serviceFile(services).trimEnd());
    return 0;
  }
  requireMac(services);
  const status = await installService(serviceDependencies(services));
  output.line(
    "The service is installed and starts with each login. `agent doctor` says whether all is well.",
  );
  for (const line of statusLines(status)) output.line(line);
  return 0;
}

async function uninstall(services: AgentServices): Promise<number> {
  requireMac(services);
  await uninstallService(serviceDependencies(services));
  services.output.line(`The service is gone. The agent's own files stay in ${services.config.dataDir}.`);
  return 0;
}

async function status(options: ServiceOptions, services: AgentServices): Promise<number> {
  requireMac(services);
  const found = await serviceStatus(serviceDependencies(services));
  for (const line of options.json ? [JSON.stringify(found)] : statusLines(found)) services.output.line(line);
  return 0;
}

/** Runs the command. */
export async function serviceCommand(options: ServiceOptions, services: AgentServices): Promise<number> {
  switch (options.action) {
    case "install":
      return await install(options, services);
    case "uninstall":
      return await uninstall(services);
    case "status":
      return await status(options, services);
    default:
      throw new UsageError("service needs install, uninstall or status");
  }
}

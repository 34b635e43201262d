/** `agent service` and `agent menubar`: the agent as a service that starts at each login, and the app for it. */
import { messageOf, UserError } from "../../lib/errors.ts";
import { createLaunchd } from "../platform/launchd.ts";
import { openWithMac } from "../platform/machine.ts";
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
import { systemdUnit } from "../../lib/service/systemd_unit.ts";
import type { AgentContext } from "./agent_context.ts";
import { UsageError } from "./output.ts";

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
export function serviceDependencies({ config, machine, commands }: AgentContext): ServiceDependencies {
  return {
    config,
    homeDir: machine.homeDir(),
    program: serviceProgram(programFacts()),
    launchd: createLaunchd({ commands, userId: machine.userId() }),
  };
}

function requireMac({ machine }: AgentContext): void {
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
function serviceFile({ config, machine }: AgentContext): string {
  const spec = serviceSpec({ config, program: serviceProgram(programFacts()) });
  return machine.os === "darwin"
    ? launchAgentPlist(spec)
    : systemdUnit(spec, { description: "Agent of Conversation Assistant" });
}

async function install(options: ServiceOptions, services: AgentContext): Promise<number> {
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

async function uninstall(services: AgentContext): Promise<number> {
  requireMac(services);
  await uninstallService(serviceDependencies(services));
  services.output.line(`The service is gone. The agent's own files stay in ${services.config.dataDir}.`);
  return 0;
}

async function status(options: ServiceOptions, services: AgentContext): Promise<number> {
  requireMac(services);
  const found = await serviceStatus(serviceDependencies(services));
  for (const line of options.json ? [JSON.stringify(found)] : statusLines(found)) services.output.line(line);
  return 0;
}

/** Runs the command. */
export async function serviceCommand(options: ServiceOptions, services: AgentContext): Promise<number> {
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

/** As packaging/macos/info_additions.plist names the app. */
export const APP_IDENTIFIER = "app.conversation-assistant";

/** Opens the app, or shows the one that runs. @throws UserError where there is none */
export async function menubarCommand(
  { machine, commands }: Pick<AgentContext, "machine" | "commands">,
): Promise<number> {
  if (machine.os !== "darwin") {
    throw new UserError("The menubar exists only on macOS", { fix: "Use `agent status`" });
  }
  try {
    await openWithMac({ commands }, ["-b", APP_IDENTIFIER]);
    return 0;
  } catch (error) {
    throw new UserError(messageOf(error), {
      fix: "Install Conversation Assistant, as packaging/macos/README.md says",
      cause: error,
    });
  }
}

/** Installs, removes and inspects the agent as a service of the Mac that starts at each login. */
import { join } from "node:path";
import { ifPresent, writeFileAtomically } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";
import type { AgentConfig } from "../config.ts";
import type { Launchd, LaunchdJob } from "../platform/launchd.ts";
import { makePrivateFolder, readFileIfPresent } from "../platform/private_file.ts";
import type { ServiceSpec } from "../../lib/service/launchd_plist.ts";
import { launchAgentPlist, SERVICE_LABEL } from "./launch_agent_plist.ts";
import { serviceLogPath } from "./log_rotation.ts";

export interface ServiceDependencies {
  config: AgentConfig;
  homeDir: string;
  program: ServiceSpec["program"];
  launchd: Launchd;
}

export interface ServiceStatus {
  readonly plistPath: string;
  readonly logPath: string;
  /**
   * `outdated`: installed with other settings, or for a program at another place, so that it does not run what this
   * agent would install.
   */
  readonly installation: "none" | "current" | "outdated";
  /** True when the person has switched it off in Login Items. */
  readonly isDisabled: boolean;
  /** null when launchd has not loaded it. */
  readonly job: LaunchdJob | null;
}

/** launchd reads plists that others may not write; it does not need them to be secret. */
const PLIST_MODE = 0o644;
const FOLDER_MODE = 0o755;

function plistPathOf(homeDir: string): string {
  return join(homeDir, "Library", "LaunchAgents", `${SERVICE_LABEL}.plist`);
}

/** What the service runs: every setting is written down, for launchd passes on none of the person's environment. */
export function serviceSpec(
  { config, program }: Pick<ServiceDependencies, "config" | "program">,
): ServiceSpec {
  return {
    program,
    environment: {
      AGENT_SERVER_URL: config.serverUrl,
      AGENT_DATA_DIR: config.dataDir,
      AGENT_CHAT_DB: config.chatDb,
      AGENT_ADDRESS_BOOK: config.addressBook,
      ...(config.region === undefined ? {} : { AGENT_REGION: config.region }),
    },
    logPath: serviceLogPath(config.dataDir),
  };
}

async function writePlist(path: string, content: string): Promise<void> {
  try {
    await Deno.mkdir(join(path, ".."), { recursive: true, mode: FOLDER_MODE });
    await writeFileAtomically(path, content, { mode: PLIST_MODE, draftPath: `${path}.new` });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UserError(`Cannot write ${path} (${error.name})`, {
      fix: "Check that the folder is yours",
      cause: error,
    });
  }
}

/**
 * Installs the service, in place of an earlier installation, and starts it.
 *
 * @throws UserError when the file cannot be written or launchd does not take it
 */
export async function installService(dependencies: ServiceDependencies): Promise<ServiceStatus> {
  const spec = serviceSpec(dependencies);
  const plistPath = plistPathOf(dependencies.homeDir);
  await makePrivateFolder(join(spec.logPath, ".."));
  await writePlist(plistPath, launchAgentPlist(spec));
  await dependencies.launchd.load({ label: SERVICE_LABEL, plistPath });
  return await serviceStatus(dependencies);
}

/** Stops the service and takes it away; the agent's own files stay. @throws UserError when it does not stop */
export async function uninstallService({ homeDir, launchd }: ServiceDependencies): Promise<void> {
  await launchd.unload(SERVICE_LABEL);
  await ifPresent(Deno.remove(plistPathOf(homeDir)));
}

/** Looks at the service. Changes nothing. */
export async function serviceStatus(dependencies: ServiceDependencies): Promise<ServiceStatus> {
  const { homeDir, launchd } = dependencies;
  const plistPath = plistPathOf(homeDir);
  const spec = serviceSpec(dependencies);
  const installed = await readFileIfPresent(plistPath);
  const isCurrent = installed === launchAgentPlist(spec);
  return {
    plistPath,
    logPath: spec.logPath,
    installation: installed === null ? "none" : isCurrent ? "current" : "outdated",
    isDisabled: await launchd.isDisabled(SERVICE_LABEL),
    job: await launchd.job(SERVICE_LABEL),
  };
}

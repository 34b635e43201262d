/** A systemd unit, of a user or of the system. */
import type { ServiceSpec } from "./launchd_plist.ts";

const RESTART_S = 30;

/** A value in quotes, with `\` and `"` escaped and `%`, which begins a specifier, doubled (systemd.syntax(7)). */
function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;
}

/** An argument of a command line, in which `$` begins a variable as well (systemd.service(5)). */
function argument(text: string): string {
  return quoted(text).replaceAll("$", () => "$$");
}

export interface SystemdUnitOptions {
  description: string;
  /** Default: `default.target`, a user's. */
  wantedBy?: string;
  /** Holds further settings: what the unit itself says, `systemctl show` shows to everybody on the machine. */
  environmentFile?: string;
}

/** The text of a file that `EnvironmentFile=` names (systemd.exec(5)): values in quotes, in which four characters are escaped. */
export function systemdEnvironment(environment: ServiceSpec["environment"]): string {
  const escaped = (value: string) => value.replace(/[\\"`$]/g, (character) => `\\${character}`);
  return Object.entries(environment).map(([name, value]) => `${name}="${escaped(value)}"\n`).join("");
}

/** The unit; the journal keeps its output. */
export function systemdUnit(
  { program, environment }: Omit<ServiceSpec, "logPath">,
  { description, wantedBy = "default.target", environmentFile }: SystemdUnitOptions,
): string {
  const settings = Object.entries(environment).map(([name, value]) =>
    `Environment=${quoted(`${name}=${value}`)}`
  );
  return [
    `[Unit]`,
    `Description=${description}`,
    ``,
    `[Service]`,
    `ExecStart=${program.map(argument).join(" ")}`,
    ...settings,
    ...environmentFile === undefined ? [] : [`EnvironmentFile=${environmentFile.replaceAll("%", "%%")}`],
    `Restart=always`,
    `RestartSec=${RESTART_S}`,
    ``,
    `[Install]`,
    `WantedBy=${wantedBy}`,
    ``,
  ].join("\n");
}

/** The systemd user unit, for those who run the agent on Linux. */
import type { ServiceSpec } from "./launch_agent_plist.ts";

const RESTART_S = 30;

/** A value in quotes, with `\` and `"` escaped and `%`, which begins a specifier, doubled (systemd.syntax(7)). */
function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;
}

/** An argument of a command line, in which `$` begins a variable as well (systemd.service(5)). */
function argument(text: string): string {
  return quoted(text).replaceAll("$", () => "$$");
}

/** The unit; the journal keeps its output. */
export function systemdUnit({ program, environment }: Omit<ServiceSpec, "logPath">): string {
  const settings = Object.entries(environment).map(([name, value]) =>
    `Environment=${quoted(`${name}=${value}`)}`
  );
  return [
    `[Unit]`,
    `Description=Agent of Conversation Assistant`,
    ``,
    `[Service]`,
    `ExecStart=${program.map(argument).join(" ")}`,
    ...settings,
    `Restart=always`,
    `RestartSec=${RESTART_S}`,
    ``,
    `[Install]`,
    `WantedBy=default.target`,
    ``,
  ].join("\n");
}

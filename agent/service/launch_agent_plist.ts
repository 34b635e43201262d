/** The LaunchAgent's property list: what launchd runs, when it restarts it, and where its output goes. */

export interface ServiceSpec {
  /** The program and its arguments; the program is an absolute path. */
  program: readonly [string, ...string[]];
  /** Settings of the agent: launchd gives a job hardly any environment. */
  environment: Readonly<Record<string, string>>;
  /** Takes stdout and stderr. */
  logPath: string;
}

/** The service's name for launchd, and its file's name: a name that changes would lose the person's choices. */
export const SERVICE_LABEL = "app.conversation-assistant.agent";

/** Seconds from one start to the next one of an agent that keeps ending. */
const THROTTLE_S = 30;
/** Seconds that the agent may take to finish what is under way, before launchd kills it. */
const EXIT_S = 20;

type PlistValue = string | number | true | readonly string[] | { readonly [key: string]: PlistValue };

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function isList(value: PlistValue): value is readonly string[] {
  return Array.isArray(value);
}

function valueLines(value: PlistValue): string[] {
  if (value === true) return ["<true/>"];
  if (typeof value === "number") return [`<integer>${value}</integer>`];
  if (typeof value === "string") return [`<string>${escapeXml(value)}</string>`];
  if (isList(value)) return ["<array>", ...value.flatMap(valueLines).map(indent), "</array>"];
  return ["<dict>", ...entryLines(value), "</dict>"];
}

function entryLines(entries: Readonly<Record<string, PlistValue>>): string[] {
  return Object.entries(entries).flatMap(([key, value]) =>
    [`<key>${escapeXml(key)}</key>`, ...valueLines(value)].map(indent)
  );
}

function indent(line: string): string {
  return `  ${line}`;
}

/**
 * The property list of the service (launchd.plist(5)).
 *
 * `KeepAlive` is unconditional: the agent stays alive when a permission is missing, so an end is always a fault.
 * `LimitLoadToSessionType` is the session at the screen, the only one in which Messages can be scripted.
 */
export function launchAgentPlist({ program, environment, logPath }: ServiceSpec): string {
  const lines = valueLines({
    Label: SERVICE_LABEL,
    ProgramArguments: program,
    EnvironmentVariables: environment,
    RunAtLoad: true,
    KeepAlive: true,
    ThrottleInterval: THROTTLE_S,
    ExitTimeOut: EXIT_S,
    ProcessType: "Background",
    LimitLoadToSessionType: "Aqua",
    StandardOutPath: logPath,
    StandardErrorPath: logPath,
  });
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`,
    `<plist version="1.0">`,
    ...lines,
    `</plist>`,
    ``,
  ].join("\n");
}

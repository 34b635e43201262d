/** A property list for launchd: what it runs, when it restarts it, and where its output goes. */

export interface ServiceSpec {
  /** The program and its arguments; the program is an absolute path. */
  program: readonly [string, ...string[]];
  /** Its settings: launchd gives a job hardly any environment. */
  environment: Readonly<Record<string, string>>;
  /** Takes stdout and stderr. */
  logPath: string;
}

/** Seconds from one start to the next one of a service that keeps ending. */
const THROTTLE_S = 30;
/** Seconds that it may take to finish what is under way, before launchd kills it. */
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
 * The property list of a service (launchd.plist(5)), which runs from login on and is started again whenever it ends.
 *
 * @param options `session` is the session at the screen, for what scripts programs there
 */
export function launchdPlist(
  { program, environment, logPath }: ServiceSpec,
  { label, session }: { label: string; session?: "Aqua" },
): string {
  const lines = valueLines({
    Label: label,
    ProgramArguments: program,
    EnvironmentVariables: environment,
    RunAtLoad: true,
    KeepAlive: true,
    ThrottleInterval: THROTTLE_S,
    ExitTimeOut: EXIT_S,
    ProcessType: "Background",
    ...(session === undefined ? {} : { LimitLoadToSessionType: session }),
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

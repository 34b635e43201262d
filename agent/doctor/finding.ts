/** What a check of the doctor reports, and the panes of System Settings that it sends people to. */

export type FindingId =
  | "full_disk_access"
  | "messages_database"
  | "address_book"
  | "automation"
  | "server"
  | "pairing"
  | "clock"
  | "disk"
  | "agent"
  | "service";

/** `warning`: the agent works, but not all of it, or not for long. `failure`: it cannot do its work. */
export type FindingStatus = "ok" | "warning" | "failure";

export interface SettingsPane {
  /** The way through System Settings, as macOS 13 and later name it. */
  readonly place: string;
  /** `open URL` shows the pane. */
  readonly url: string;
}

/**
 * The two privacy panes keep the address that older releases know as well; the others are those of macOS 13 and later.
 */
export const SETTINGS_PANES = {
  fullDiskAccess: {
    place: "System Settings > Privacy & Security > Full Disk Access",
    url: "x-apple.systempreferences:com.apple.preference.security?Privacy_AllFiles",
  },
  automation: {
    place: "System Settings > Privacy & Security > Automation",
    url: "x-apple.systempreferences:com.apple.preference.security?Privacy_Automation",
  },
  dateAndTime: {
    place: "System Settings > General > Date & Time",
    url: "x-apple.systempreferences:com.apple.Date-Time-Settings.extension",
  },
  storage: {
    place: "System Settings > General > Storage",
    url: "x-apple.systempreferences:com.apple.settings.Storage",
  },
  loginItems: {
    place: "System Settings > General > Login Items & Extensions",
    url: "x-apple.systempreferences:com.apple.LoginItems-Settings.extension",
  },
} as const satisfies Record<string, SettingsPane>;

export interface Remedy {
  /** What to do: a sentence without its period. */
  readonly text: string;
  /** The pane of System Settings to open; null when there is none. */
  readonly pane: SettingsPane | null;
}

export interface Finding {
  readonly id: FindingId;
  readonly status: FindingStatus;
  /** One sentence without a name, a number of a person, or a text. */
  readonly message: string;
  /** null when there is nothing to fix. */
  readonly remedy: Remedy | null;
}

/** A check that passed. */
export function ok(id: FindingId, message: string): Finding {
  return { id, status: "ok", message, remedy: null };
}

export interface FaultOptions {
  status: "warning" | "failure";
  message: string;
  /** What to do: a sentence without its period. */
  fix: string;
  pane?: SettingsPane;
}

/** A check that found something to fix. */
export function fault(id: FindingId, { status, message, fix, pane }: FaultOptions): Finding {
  return { id, status, message, remedy: { text: fix, pane: pane ?? null } };
}

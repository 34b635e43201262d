/** Owns the panes of System Settings that the doctor sends people to: their place in words, and their deep link. */

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

/** The actions in the menu and in the panel, apart from a suggestion's own buttons. */
import type { MenubarInput } from "./menubar_input.ts";
import type { MenubarState } from "./menubar_state.ts";

/** What a click asks for. */
export const MENUBAR_ACTIONS = [
  "show_suggestions",
  "pair",
  "open_full_disk_access",
  "start",
  "pause",
  "resume",
  "open_server_page",
  "doctor",
  "quit",
] as const;
export type MenubarAction = typeof MENUBAR_ACTIONS[number];

/** An action under the words by which it is chosen. */
export interface MenuAction {
  readonly id: MenubarAction;
  readonly label: string;
  /** In the panel, where the buttons stand side by side; by default the label. */
  readonly short?: string;
}

/** The action of a name that came from outside; null when there is none. */
export function menubarActionOf(name: string): MenubarAction | null {
  return MENUBAR_ACTIONS.find((known) => known === name) ?? null;
}

/** What the state itself asks for. */
export function remedyActions({ pairingCode }: MenubarInput, state: MenubarState): MenuAction[] {
  switch (state) {
    case "not_paired":
      return [{ id: "pair", label: pairingCode === null ? "Pair This Mac…" : "I Approved the Code" }];
    case "permission_missing":
      return [
        { id: "open_full_disk_access", label: "Open Full Disk Access…" },
        { id: "start", label: "Restart Agent" },
      ];
    case "stopped":
      return [{ id: "start", label: "Start at Login" }];
    default:
      return [];
  }
}

/** What can be done in every state. */
export function menuActions({ service }: MenubarInput): MenuAction[] {
  const pausing: Record<MenubarInput["service"], MenuAction[]> = {
    loaded: [{ id: "pause", label: "Pause" }],
    paused: [{ id: "resume", label: "Resume" }],
    none: [],
  };
  return [
    ...pausing[service],
    { id: "open_server_page", label: "Open Server Page", short: "Server Page" },
    { id: "doctor", label: "Run Doctor", short: "Doctor" },
  ];
}

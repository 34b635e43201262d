/** Owns what a check of the doctor finds: how it stands, in one sentence, and how to mend it. */
import type { SettingsPane } from "./settings_pane.ts";

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

export interface Remedy {
  readonly text: string;
  /** The pane of System Settings to open; null when there is none to. */
  readonly pane: SettingsPane | null;
}

export interface Finding {
  readonly id: FindingId;
  readonly status: FindingStatus;
  /** One sentence without a name, a number of a person, or a text. */
  readonly message: string;
  /** null when nothing is to be mended. */
  readonly remedy: Remedy | null;
}

/** All is well. */
export function ok(id: FindingId, message: string): Finding {
  return { id, status: "ok", message, remedy: null };
}

export interface FaultOptions {
  status: "warning" | "failure";
  message: string;
  remedy: string;
  pane?: SettingsPane;
}

/** Something is to be mended. */
export function fault(id: FindingId, { status, message, remedy, pane }: FaultOptions): Finding {
  return { id, status, message, remedy: { text: remedy, pane: pane ?? null } };
}

/** The agent's sentences say what happened and, after a colon, what to do; the doctor shows the two apart. */
export function faultOfSentence(
  id: FindingId,
  { sentence, ...options }: { sentence: string; status: "warning" | "failure"; pane?: SettingsPane },
): Finding {
  const [message = "", ...advice] = sentence.split(": ");
  const remedy = advice.join(": ") || "see that agent and server are of the same version";
  return fault(id, { ...options, message, remedy });
}

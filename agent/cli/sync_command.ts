/** Owns `agent sync --once`: sends what is new, shows how far it is, and says what was done. */
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import type { MessageSyncReport } from "../sync/message_sync.ts";
import { type PairedDevice, requirePairing } from "../sync/pairing.ts";
import type { RestartReason } from "../sync/sync_cursor.ts";
import { type ContactsReport, runSync, type SyncReport } from "../sync/sync_run.ts";
import type { AgentServices } from "./agent_services.ts";
import { countText, durationText, type ProgressLine, progressLine } from "./progress_line.ts";
import { UsageError } from "./usage.ts";

export interface SyncOptions {
  once?: boolean;
  json?: boolean;
}

const RENEWAL_NOTICE_MS = 2 * 24 * 60 * 60 * 1_000;

/** Why everything is sent again, for a person. */
export const RESTART_SENTENCES: Record<RestartReason, string> = {
  cursor_broken:
    "The file that says how far the sync had come cannot be read, and is kept aside as cursor.json.broken",
  other_account: "This device was paired anew",
  other_database: "Messages' database was replaced or rebuilt",
};

function contactLines({ total, sent, refused, problems }: ContactsReport): string[] {
  const counts = sent === 0 ? "nothing new" : `${countText(sent)} sent`;
  const also = refused === 0 ? "" : `, ${countText(refused)} refused by the server`;
  return [
    `Contacts: ${countText(total)} read, ${counts}${also}.`,
    ...problems.map((problem: AddressBookProblem) => `  ${problem.message}.`),
  ];
}

function messageLines(messages: MessageSyncReport, durationMs: number): string[] {
  const { inserted, updated, unchanged, refused, undecodable, heldBack, restart } = messages;
  const again = "so all messages were sent again; the server keeps each one once";
  const lines = [
    `Messages: ${countText(inserted)} new, ${countText(updated)} changed, ${
      countText(unchanged)
    } known already, ` +
    `in ${durationText(durationMs)}.`,
  ];
  if (restart !== null) lines.push(`  ${RESTART_SENTENCES[restart]}, ${again}.`);
  if (undecodable > 0) {
    lines.push(`  ${countText(undecodable)} could not be decoded and were sent without text.`);
  }
  if (refused > 0) {
    lines.push(`  ${countText(refused)} were refused by the server; \`agent status --json\` lists them.`);
  }
  if (heldBack) lines.push("  Messages is still writing the newest ones; the next sync takes them.");
  return lines;
}

/** A pairing renewed while it holds stays in its account; one that has ended may have to be approved anew. */
function renewalLines({ pairing }: PairedDevice, nowMs: number): string[] {
  if (Date.parse(pairing.expiresAt) - nowMs > RENEWAL_NOTICE_MS) return [];
  return [`The pairing ends ${pairing.expiresAt}: run \`agent pair\` before then to renew it.`];
}

async function syncWith(
  { pairing, token }: PairedDevice,
  services: AgentServices,
  { progress }: { progress: ProgressLine },
): Promise<SyncReport> {
  using database = services.openChatDatabase();
  return await runSync({
    server: services.pairing.server(token),
    syncTarget: pairing.syncTarget,
    database,
    addressBook: services.readAddressBook(),
    state: services.state,
    onProgress: progress.show,
    now: services.now,
    roundMessages: services.roundMessages,
  });
}

/** Runs the command. */
export async function syncCommand(options: SyncOptions, services: AgentServices): Promise<number> {
  if (!options.once) throw new UsageError("sync needs --once");
  using _lock = await services.lock("sync");
  const { output, now } = services;
  const progress = progressLine(output, { now, silent: options.json });
  const device = await requirePairing(services.pairing);
  const report = await syncWith(device, services, { progress }).finally(progress.clear);
  const lines = options.json ? [JSON.stringify(report)] : [
    ...contactLines(report.contacts),
    ...messageLines(report.messages, report.durationMs),
    ...renewalLines(device, now()),
  ];
  for (const line of lines) output.line(line);
  return 0;
}

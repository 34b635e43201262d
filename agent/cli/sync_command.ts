/** `agent sync`: sends what is new, shows progress, and reports what was done or would be done. */
import { localTimeText } from "../../lib/clock.ts";
import { countText, durationText, type Progress, startProgress } from "../../lib/progress.ts";
import type { AddressBookProblem } from "../contacts/address_book_problem.ts";
import { pairingEnd } from "../pairing/pairing_store.ts";
import { type PairedDevice, requirePairing } from "../pairing/pairing.ts";
import type { RestartReason } from "../sync/message_sync.ts";
import type { ContactsReport } from "../sync/contact_sync.ts";
import {
  dryRun,
  type DryRunReport,
  type MessageSyncReport,
  runSync,
  type SyncReport,
} from "../sync/sync_run.ts";
import type { AgentContext } from "./agent_context.ts";
import { type Output, UsageError } from "./output.ts";

export interface SyncOptions {
  once?: boolean;
  /** A day, or a moment in ISO 8601: older messages are left out, now and later. */
  since?: string;
  /** Count only. */
  "dry-run"?: boolean;
  json?: boolean;
}

const RENEWAL_NOTICE_MS = 2 * 24 * 60 * 60 * 1_000;

/** Why everything is sent again, for a person. */
export const RESTART_SENTENCES: Record<RestartReason, string> = {
  cursor_broken:
    "The file that says how far the sync had come cannot be read, and is kept aside under a name that ends in .broken",
  other_account: "This device was paired again",
  other_database: "Messages' database was replaced or rebuilt",
  other_since: "Another date was given to --since",
};

function problemLine({ message, fix }: AddressBookProblem): string {
  return `  ${message}. ${fix}.`;
}

function contactLines({ total, sent, refused, problems }: ContactsReport): string[] {
  const counts = sent === 0 ? "nothing new" : `${countText(sent)} sent`;
  const also = refused === 0 ? "" : `, ${countText(refused)} refused by the server`;
  return [
    `Contacts: ${countText(total)} read, ${counts}${also}.`,
    ...problems.map(problemLine),
  ];
}

function messageLines(messages: MessageSyncReport, durationMs: number): string[] {
  const { inserted, updated, unchanged, deleted, refused, undecodable, isIncomplete, restart, leftOut } =
    messages;
  const again = "so all messages were sent again; the server keeps each one once";
  const lines = [
    `Messages: ${countText(inserted)} new, ${countText(updated)} changed, ${
      countText(unchanged)
    } known already, ` +
    `in ${durationText(durationMs)}.`,
  ];
  if (restart !== null) lines.push(`  ${RESTART_SENTENCES[restart]}, ${again}.`);
  if (deleted > 0) lines.push(`  ${countText(deleted)} were deleted in Messages, and now on the server.`);
  if (leftOut > 0) lines.push(`  ${countText(leftOut)} are older than --since and were left out.`);
  if (undecodable > 0) {
    lines.push(`  ${countText(undecodable)} could not be decoded and were sent without text.`);
  }
  if (refused > 0) {
    lines.push(`  ${countText(refused)} were refused by the server; \`agent status --json\` lists them.`);
  }
  if (isIncomplete) lines.push("  Messages is still writing some; the next sync takes them.");
  return lines;
}

/** A pairing renewed while it holds stays in its account; one that has ended may have to be approved again. */
function renewalLines({ pairing }: PairedDevice, nowMs: number): string[] {
  const end = pairingEnd(pairing);
  if (Date.parse(end) - nowMs > RENEWAL_NOTICE_MS) return [];
  return [`The pairing ends ${localTimeText(end)}: run \`agent pair\` before then to renew it.`];
}

function dryRunLines({ contacts, messages }: DryRunReport): string[] {
  const { toSend, conversations, changed, deleted, leftOut, undecodable, restart } = messages;
  const lines = [
    `Contacts: ${countText(contacts.total)} read, ${countText(contacts.toSend)} to send.`,
    ...contacts.problems.map(problemLine),
    `Messages: ${countText(toSend)} to send in ${countText(conversations)} ` +
    `${conversations === 1 ? "conversation" : "conversations"}, ` +
    `${countText(changed)} to send again because they changed.`,
  ];
  if (restart !== null) lines.push(`  ${RESTART_SENTENCES[restart]}, so all messages would be sent again.`);
  if (deleted > 0) {
    lines.push(`  ${countText(deleted)} were deleted in Messages and would be deleted on the server.`);
  }
  if (leftOut > 0) lines.push(`  ${countText(leftOut)} are older than --since and would be left out.`);
  if (undecodable > 0) lines.push(`  ${countText(undecodable)} cannot be decoded.`);
  return [...lines, "Nothing was sent."];
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** A day begins at midnight where the person is. */
function sinceMsOf(since: string | undefined): number | undefined {
  if (since === undefined) return undefined;
  const atMs = Date.parse(DAY.test(since) ? `${since}T00:00` : since);
  if (!Number.isNaN(atMs)) return atMs;
  throw new UsageError(`--since must be a day such as 2024-05-31, not ${JSON.stringify(since)}`);
}

interface SyncWithOptions {
  progress: Progress;
  sinceMs: number | undefined;
}

async function syncWith(
  { pairing, token }: PairedDevice,
  services: AgentContext,
  { progress, sinceMs }: SyncWithOptions,
): Promise<SyncReport> {
  using database = services.openChatDatabase();
  return await runSync({
    server: services.pairing.server(token),
    syncTarget: pairing.syncTarget,
    database,
    addressBook: services.readAddressBook(),
    store: services.store,
    sinceMs,
    onProgress: ({ rowsDone, rowsTotal }) => progress.update(rowsDone, rowsTotal),
    now: services.now,
    batchMessages: services.batchMessages,
  });
}

/** Needs neither lock nor pairing: it changes nothing, and asks the server nothing. */
async function dryRunWith(
  services: AgentContext,
  { progress, sinceMs }: SyncWithOptions,
): Promise<DryRunReport> {
  const stored = await services.pairing.records.load();
  using database = services.openChatDatabase();
  return await dryRun({
    database,
    addressBook: services.readAddressBook(),
    syncTarget: stored.kind === "found" ? stored.state.active?.syncTarget ?? "" : "",
    store: services.store,
    sinceMs,
    onProgress: ({ rowsDone, rowsTotal }) => progress.update(rowsDone, rowsTotal),
    now: services.now,
  });
}

/** Starts showing a sync's progress, unless the output is for a program. */
export async function startSyncProgress(
  output: Output,
  { now, silent = false }: { now: () => number; silent?: boolean },
): Promise<Progress> {
  return await startProgress({
    label: "Messages",
    format: countText,
    terminal: silent ? null : output.terminal,
    plain: ({ text }) => silent || output.line(`Messages: ${text}`),
    plainIntervalMs: 5_000,
    quietMs: 500,
    initial: 0,
    clear: true,
    now,
  });
}

/** Runs the command. */
export async function syncCommand(options: SyncOptions, services: AgentContext): Promise<number> {
  const isDryRun = options["dry-run"] ?? false;
  const sinceMs = sinceMsOf(options.since);
  if (!options.once && sinceMs === undefined) throw new UsageError("sync needs --once or --since");
  const { output, now } = services;
  const progress = await startSyncProgress(output, { now, silent: options.json });
  if (isDryRun) {
    const report = await dryRunWith(services, { progress, sinceMs }).finally(progress.finish);
    for (const line of options.json ? [JSON.stringify(report)] : dryRunLines(report)) output.line(line);
    return 0;
  }
  using _lock = await services.lock("sync");
  const device = await requirePairing(services.pairing);
  const report = await syncWith(device, services, { progress, sinceMs }).finally(progress.finish);
  const lines = options.json ? [JSON.stringify(report)] : [
    ...(report.contacts === null ? [] : contactLines(report.contacts)),
    ...messageLines(report.messages, report.durationMs),
    ...renewalLines(device, now()),
  ];
  for (const line of lines) output.line(line);
  return 0;
}

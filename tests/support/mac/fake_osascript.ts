/**
 * An osascript for tests: a program of its own that does to chat.db what Messages does when a script sends a text,
 * or what it does when sending goes wrong.
 */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeBody } from "../chat_db/body.ts";

/**
 * What happens to the text. `ghost`: the empty row in no chat that macOS 26 writes for a wrong guid. `elsewhere`: the
 * text appears in another chat. `hang`: nothing ever, after telling `reportTo`. `refuse`: error -1728.
 */
export type FakeSending =
  | "deliver"
  | "send"
  | "error"
  | "nothing"
  | "ghost"
  | "elsewhere"
  | "hang"
  | "refuse";

export interface FakeOsascriptOptions {
  dir: string;
  chatDb: string;
  sending: FakeSending;
  /** Port of a listener that a hanging program connects to, and whose going away ends it. */
  reportTo?: number;
}

const PROGRAM = fileURLToPath(import.meta.url);
const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));
/** Nanoseconds since 2001, as Messages writes them. */
const NOW = "(CAST(strftime('%s', 'now') AS INTEGER) - 978307200) * 1000000000";

/** Writes the program; its path goes where `/usr/bin/osascript` would. */
export async function fakeOsascript(
  { dir, chatDb, sending, reportTo }: FakeOsascriptOptions,
): Promise<string> {
  const path = join(dir, "osascript");
  const args = [sending, chatDb, `${path}.calls`, String(reportTo ?? "")].map((word) => `'${word}'`).join(
    " ",
  );
  const deno = `'${Deno.execPath()}' run --allow-all --no-check --quiet --config '${CONFIG}' '${PROGRAM}'`;
  await Deno.writeTextFile(path, `#!/bin/sh\nexec ${deno} ${args} "$@"\n`, { mode: 0o755 });
  return path;
}

/** How often the program was run. */
export async function osascriptCalls(program: string): Promise<number> {
  return (await Deno.readTextFile(`${program}.calls`).catch(() => "")).length;
}

interface Call {
  sending: FakeSending;
  chatDb: string;
  text: string;
  chatGuid: string;
}

const COLUMNS: Record<string, Record<string, number>> = {
  deliver: { is_sent: 1, is_delivered: 1, error: 0 },
  send: { is_sent: 1, is_delivered: 0, error: 0 },
  error: { is_sent: 0, is_delivered: 0, error: 22 },
};

/** Writes the row that Messages writes, and joins it to its chat. */
function writeRow({ sending, chatDb, text, chatGuid }: Call): void {
  using db = new DatabaseSync(chatDb, { timeout: 5_000 });
  const { is_sent, is_delivered, error } = COLUMNS[sending] ?? COLUMNS.send ?? {};
  const body = sending === "ghost" ? null : encodeBody([text]);
  const service = sending === "ghost" ? "SMS" : "iMessage";
  const { lastInsertRowid } = db.prepare(
    `INSERT INTO message (guid, attributedBody, is_from_me, date, service, is_sent, is_delivered, error, is_finished)
     VALUES (?, ?, 1, ${NOW}, ?, ?, ?, ?, 1)`,
  ).run(crypto.randomUUID().toUpperCase(), body, service, is_sent ?? 1, is_delivered ?? 0, error ?? 0);
  if (sending === "ghost") return;
  const other = sending === "elsewhere" ? "guid <> ?" : "guid = ?";
  db.prepare(`INSERT INTO chat_message_join (chat_id, message_id, message_date)
    SELECT ROWID, ?, ${NOW} FROM chat WHERE ${other} LIMIT 1`).run(lastInsertRowid, chatGuid);
}

async function hang(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.read(new Uint8Array(1)).catch(() => null);
}

async function main([sending, chatDb, calls, port, dash, text, chatGuid]: string[]): Promise<number> {
  const script = await new Response(Deno.stdin.readable).text();
  await Deno.writeTextFile(calls ?? "", ".", { append: true });
  if (dash !== "-" || !script.startsWith("on run argv\n") || text === undefined || chatGuid === undefined) {
    return 64;
  }
  if (script.includes(chatGuid)) return 65;
  if (sending === "refuse") {
    await Deno.stderr.write(new TextEncoder().encode("execution error: Can’t get chat id. (-1728)\n"));
    return 1;
  }
  if (sending === "hang") await hang(Number(port));
  else if (sending !== "nothing") {
    writeRow({ sending: sending as FakeSending, chatDb: chatDb ?? "", text, chatGuid });
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

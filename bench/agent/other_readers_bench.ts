/**
 * Compares what the agent reads with what others say of the same databases, and prints each difference.
 *
 * `deno run -A bench/agent/other_readers_bench.ts`. The corpus of odd rows is read by the agent and by `imessage-chatdb`;
 * databases of `imessage-data-foundry` are read by both and compared with what went in. `docs/reading-messages.md`
 * explains the differences.
 */
import { join } from "node:path";
import { ChatDatabase } from "../../agent/chatdb/file/chat_database.ts";
import { MessageReader } from "../../agent/chatdb/messages/message_reader.ts";
import { messageOf } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { ANA, ODD_ROWS } from "../../tests/support/chat_db/odd_rows.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";
import { installOtherReaders, makeWithFoundry, type OtherMessage, readWithChatdb } from "./other_readers.ts";

const VERSIONS = ["sonoma", "sequoia", "tahoe"];
const TEXTS = [
  "On my way",
  "haha 😂 c'est génial",
  "до завтра",
  "见面吧",
  "two\nlines",
  "שלום",
  "A".repeat(300),
  "  spaces ",
  "\u{1F468}\u200D\u{1F469}\u200D\u{1F467}",
  "it's “quoted”",
];

const lineOf = (isOwn: boolean, text: string | null) =>
  `${isOwn ? ">" : "<"} ${text?.replaceAll("\n", "|") ?? "-"}`;
const linesOfOther = (messages: readonly OtherMessage[]) =>
  messages.map(({ is_from_me, text }) => lineOf(is_from_me, text));

function linesOfAgent(path: string): string[] {
  using database = new ChatDatabase(path);
  const { messages } = new MessageReader(database).readAfter(0, { nowMs: Date.now() + 60_000 });
  return messages.map(({ direction, text }) => lineOf(direction === "outgoing", text));
}

/** One line for a database that it cannot read: it knows no other schema than the newest. */
async function linesOfChatdb(path: string): Promise<string[]> {
  try {
    return linesOfOther(await readWithChatdb(path));
  } catch (error) {
    return [`(fails) ${messageOf(error).split("\n").findLast((line) => line !== "") ?? ""}`];
  }
}

/** Whether both lists hold the same lines; prints both where they do not. */
function compare(what: string, ours: readonly string[], theirs: readonly string[]): boolean {
  if (JSON.stringify(ours.toSorted()) === JSON.stringify(theirs.toSorted())) return true;
  writeLine(`${what}\n   agent: ${ours.join("  ·  ")}\n   other: ${theirs.join("  ·  ")}`);
  return false;
}

async function compareOddRows(folder: string): Promise<void> {
  let same = 0;
  for (const [index, { what, write, options }] of ODD_ROWS.entries()) {
    using db = createChatDb(join(folder, `${index}.db`), options);
    write(db, db.addChat({ identifier: ANA }));
    const theirs = await linesOfChatdb(db.store.path);
    if (compare(what, linesOfAgent(db.store.path), theirs)) same++;
  }
  writeLine(`odd rows: ${same} of ${ODD_ROWS.length} read alike`);
}

async function compareFoundry(folder: string): Promise<void> {
  for (const version of VERSIONS) {
    const path = join(folder, `${version}.db`);
    await makeWithFoundry(path, { version, texts: TEXTS });
    const wrote = TEXTS.map((text, index) => lineOf(index % 3 === 0, text));
    const ours = linesOfAgent(path);
    const isEqual = compare(`${version}: what went in, against the agent`, ours, wrote);
    const areAlike = compare(
      `${version}: agent against imessage-chatdb`,
      ours,
      linesOfOther(await readWithChatdb(path)),
    );
    writeLine(
      `${version}: ${TEXTS.length} messages, agent ${isEqual ? "equal" : "different"}, readers ${
        areAlike ? "alike" : "different"
      }`,
    );
  }
}

if (import.meta.main) {
  await installOtherReaders();
  await inTempDir(async (folder) => {
    await compareOddRows(folder);
    await compareFoundry(folder);
  });
}

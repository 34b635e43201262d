/** Two Python packages as independent parties: `imessage-chatdb` reads a chat.db, `imessage-data-foundry` makes one. */
import { join } from "node:path";
import { ifPresent } from "../../lib/files.ts";
import { UserError } from "../../lib/errors.ts";
import { writeLine } from "../../lib/log.ts";
import { projectPath } from "../../tools/service_process.ts";

const PACKAGES = ["imessage-chatdb==0.2.0", "imessage-data-foundry==1.0.0"];
/** Outside version control, and kept. */
const ROOT = projectPath("data/bench/other-readers");
const PYTHON = join(ROOT, "bin", "python");
/** A program of the second package: there once pip is done. */
const INSTALLED = join(ROOT, "bin", "imessage-data-foundry");
/** Both packages ask for Python 3.12. */
const NEWEST_PYTHONS = ["python3.14", "python3.13", "python3.12", "python3"];

/** What `imessage-chatdb` says of a message, of the fields compared. */
export interface OtherMessage {
  readonly text: string | null;
  readonly is_from_me: boolean;
}

async function run(program: string, args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function isNewEnough(program: string): Promise<boolean> {
  try {
    const version = await run(program, ["-c", "import sys; print(sys.version_info >= (3, 12))"]);
    return version.trim() === "True";
  } catch {
    return false;
  }
}

/** Installs both packages with pip unless they are there. @throws UserError without a Python 3.12 or newer */
export async function installOtherReaders(): Promise<void> {
  if ((await ifPresent(Deno.stat(INSTALLED))) !== null) return;
  for (const program of [Deno.env.get("PYTHON") ?? "", ...NEWEST_PYTHONS]) {
    if (program === "" || !await isNewEnough(program)) continue;
    writeLine(`installing ${PACKAGES.join(" and ")} with pip`);
    await run(program, ["-m", "venv", ROOT]);
    await run(PYTHON, ["-m", "pip", "install", "--quiet", ...PACKAGES]);
    return;
  }
  throw new UserError("The bench needs Python 3.12 or newer", { fix: "Name it with PYTHON=path" });
}

/** All messages of a database as `imessage-chatdb` reads them, oldest row first. */
export async function readWithChatdb(path: string): Promise<OtherMessage[]> {
  const lines = await run(PYTHON, ["-m", "imessage_chatdb", "tail", "--since-rowid", "0", "--db", path]);
  return lines.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/**
 * Makes a database with `imessage-data-foundry`: a direct chat and a group, own and received messages in turn.
 *
 * @param options.version of macOS: `sonoma`, `sequoia` or `tahoe`
 */
export async function makeWithFoundry(path: string, options: { version: string; texts: readonly string[] }) {
  await run(PYTHON, ["-c", FOUNDRY, path, options.version], JSON.stringify(options.texts));
}

const FOUNDRY = `
import json, sys
from imessage_data_foundry.db.builder import DatabaseBuilder
path, version = sys.argv[1:]
with DatabaseBuilder(path, version=version) as builder:
    people = [builder.add_handle("+15550100001"), builder.add_handle("bo@example.test")]
    chats = [builder.create_chat(people[:1]), builder.create_chat(people, chat_type="group", display_name="Both")]
    for index, text in enumerate(json.load(sys.stdin)):
        own = index % 3 == 0
        sender = people[index % 2 if index % 4 > 1 else 0]
        date = (739_000_000 + index) * 1_000_000_000
        builder.add_message(chats[index % 4 // 2], None if own else sender, text, own, date)
`;

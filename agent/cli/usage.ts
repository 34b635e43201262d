/** Owns the text of `agent help`, and the error for a command line that does not follow it. */

/** The command line cannot be understood; its message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

export const USAGE =
  `The agent of Conversation Assistant: sends this Mac's messages and contacts to your own server.

Usage: agent COMMAND

  pair [--name NAME]   register this device with the server and pair it
  pair --continue      pair it after its code was approved
  sync --once          send everything that is new, then end
  status               show the pairing, the server, and what waits to be sent
  help                 show this text

  --json               with sync and status: one line of JSON for programs
  --version            show the version

Settings are environment variables: AGENT_SERVER_URL, AGENT_DATA_DIR, AGENT_CHAT_DB, AGENT_ADDRESS_BOOK.
Exit codes: 0 done, 1 it did not work (a sentence says why), 2 the command line is wrong.`;

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
  run                  send everything that is new, then stay and send what comes
  sync --once          send everything that is new, then end
  sync --since DATE    the same, but leave out what is older, also in later syncs
  sync ... --dry-run   only count what would be sent
  status               show the pairing, the server, and what waits to be sent
  doctor               check everything that can go wrong, and say how to mend it
  service install      run the agent from each login on; --print only shows the service's file
  service uninstall    end that
  service status       show whether it runs
  menubar              open the menubar app
  suggest              draft a reply to the newest unanswered message
  suggest accept       take the draft shown last; --send also sends it
  suggest edit TEXT    take your own words instead; --send also sends them
  suggest reject [WHY] turn the draft down
  suggest policy MODE  off, on_demand or automatic, for one conversation
  help                 show this text

  --conversation WHICH with suggest: a phone number, an e-mail address, a name, or the server's id
  --json               with sync, status, doctor, service status and suggest: one line of JSON for programs
  --version            show the version

Settings are environment variables: AGENT_SERVER_URL, AGENT_DATA_DIR, AGENT_CHAT_DB, AGENT_ADDRESS_BOOK.
Exit codes: 0 done, 1 it did not work (a sentence says why), 2 the command line is wrong.`;

/** What a person reads who wrote a command line that cannot be understood: the lines of its command, if there is one. */
export function usageHint(command: string | undefined): string {
  if (command === undefined) return USAGE;
  const lines = USAGE.split("\n").filter((line) => line.startsWith(`  ${command} `) && command !== "");
  return [...lines, "`agent help` shows every command."].join("\n");
}

/** The checks of the server, of the pairing with it, and of this machine's clock against the server's. */
import { localTimeText } from "../../lib/clock.ts";
import type { AgentStatus, PairingState } from "../run/agent_status.ts";
import { fault, type FaultOptions, type Finding, ok, SETTINGS_PANES } from "./finding.ts";

/** How long before its end a pairing is worth renewing. */
const RENEWAL_NOTICE_MS = 2 * 24 * 60 * 60 * 1_000;

const PAIRING_FAULTS: Record<Exclude<PairingState, "paired">, FaultOptions> = {
  none: {
    status: "failure",
    message: "This device is not paired with a server",
    fix: "Run `agent pair`",
  },
  pending: {
    status: "failure",
    message: "The pairing is waiting for its code to be approved",
    fix: "Approve it on a linked device or on the server, then run `agent pair --continue`",
  },
  expired: {
    status: "failure",
    message: "The pairing has expired, as this device was away from the server for too long",
    fix: "Run `agent pair` to pair again",
  },
  ended: {
    status: "failure",
    message: "The server no longer accepts this device's token",
    fix: "Run `agent pair` to pair again",
  },
  other_server: {
    status: "failure",
    message: "This device is paired with another server than the one that is set",
    fix: "Run `agent pair`, or set AGENT_SERVER_URL back",
  },
  broken: {
    status: "failure",
    message: "The pairing or its token cannot be read",
    fix: "Unlock the Keychain if it is locked, otherwise run `agent pair` to pair again",
  },
};

/** Checks that the server answers, without a failure of its own. */
export function checkServer({ server, pairing }: Pick<AgentStatus, "server" | "pairing">): Finding {
  const { url, reachable, problem, fix } = server;
  if (problem === null || reachable && (pairing.state === "ended" || pairing.state === "expired")) {
    return ok("server", `The server at ${url} answers`);
  }
  return fault("server", { status: "failure", message: problem, fix: fix ?? "Read the server's log" });
}

/** Checks that the server accepts this device's token, and will for some days. */
export function checkPairing(
  { server, pairing }: Pick<AgentStatus, "server" | "pairing">,
  nowMs: number,
): Finding {
  if (pairing.state !== "paired") return fault("pairing", PAIRING_FAULTS[pairing.state]);
  if (server.problem !== null) {
    return fault("pairing", {
      status: "warning",
      message: server.reachable
        ? "Can't check the pairing while the server fails"
        : "Can't check the pairing while the server is unreachable",
      fix: "Fix the server check above first",
    });
  }
  const expiresAt = pairing.expiresAt ?? "";
  const end = localTimeText(expiresAt);
  if (Date.parse(expiresAt) - nowMs < RENEWAL_NOTICE_MS) {
    return fault("pairing", {
      status: "warning",
      message: `The pairing ends ${end}`,
      fix: "Start the agent, which renews it, or run `agent pair` before then",
    });
  }
  return ok("pairing", `The server accepts this device until ${end}; the agent renews that daily`);
}

/** From here on, times that a person compares look wrong. */
const WARNING_SKEW_MS = 60_000;
/** From here on, the end of a pairing and the age of a message are judged wrongly. */
const FAILURE_SKEW_MS = 10 * 60_000;
/** A `Date` header has whole seconds: its true time lies, on average, half a second later. */
const HALF_SECOND_MS = 500;
const TIMEOUT_MS = 5_000;

/** How far this machine's clock is ahead of the server's; null when the server's answer carries no time. */
export async function measureClockSkewMs(url: string, now: () => number): Promise<number | null> {
  const sentAtMs = now();
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "manual" });
  const receivedAtMs = now();
  await response.body?.cancel();
  const serverMs = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(serverMs)) return null;
  return Math.round((sentAtMs + receivedAtMs) / 2 - (serverMs + HALF_SECOND_MS));
}

function skewText(skewMs: number): string {
  const seconds = Math.round(Math.abs(skewMs) / 1_000);
  const amount = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return `${amount} ${skewMs > 0 ? "ahead of" : "behind"} the server's`;
}

/** Judges a difference of clocks. */
export function checkClock(skewMs: number): Finding {
  const size = Math.abs(skewMs);
  if (size < WARNING_SKEW_MS) return ok("clock", "This machine's clock and the server's agree");
  return fault("clock", {
    status: size < FAILURE_SKEW_MS ? "warning" : "failure",
    message: `This machine's clock is ${skewText(skewMs)}`,
    fix: "Let both machines set their clocks automatically",
    pane: SETTINGS_PANES.dateAndTime,
  });
}

/** Owns the checks of the server and of the pairing with it. */
import type { AgentStatus, PairingState } from "../run/agent_status.ts";
import { fault, faultOfSentence, type FaultOptions, type Finding, ok } from "./finding.ts";

/** Days before a pairing's end at which it is worth renewing. */
const RENEWAL_NOTICE_MS = 2 * 24 * 60 * 60 * 1_000;

const PAIRING_FAULTS: Record<Exclude<PairingState, "paired">, FaultOptions> = {
  none: {
    status: "failure",
    message: "This device is not paired with a server",
    remedy: "run `agent pair`",
  },
  pending: {
    status: "failure",
    message: "The pairing waits for its code to be approved",
    remedy: "approve it on a linked device or on the server, then run `agent pair --continue`",
  },
  ended: {
    status: "failure",
    message: "The server no longer takes this device's token",
    remedy: "run `agent pair` to pair again",
  },
  other_server: {
    status: "failure",
    message: "This device is paired with another server than the one that is set",
    remedy: "run `agent pair`, or set AGENT_SERVER_URL back",
  },
  broken: {
    status: "failure",
    message: "The pairing or its token cannot be read",
    remedy: "unlock the Keychain if it is locked, else run `agent pair` to pair again",
  },
};

/** The server answers, and does so without a failure of its own. */
export function checkServer({ server, pairing }: Pick<AgentStatus, "server" | "pairing">): Finding {
  const { url, reachable, problem } = server;
  if (problem === null || reachable && pairing.state === "ended") {
    return ok("server", `The server at ${url} answers`);
  }
  return faultOfSentence("server", { status: "failure", sentence: problem });
}

/** The server takes this device's token, and will for some days. */
export function checkPairing(
  { server, pairing }: Pick<AgentStatus, "server" | "pairing">,
  nowMs: number,
): Finding {
  if (pairing.state !== "paired") return fault("pairing", PAIRING_FAULTS[pairing.state]);
  if (server.problem !== null) {
    return fault("pairing", {
      status: "warning",
      message: "Whether the pairing still holds cannot be found out without the server",
      remedy: "mend what is said of the server first",
    });
  }
  const expiresAt = pairing.expiresAt ?? "";
  if (Date.parse(expiresAt) - nowMs < RENEWAL_NOTICE_MS) {
    return fault("pairing", {
      status: "warning",
      message: `The pairing ends ${expiresAt}`,
      remedy: "run `agent pair` before then to renew it",
    });
  }
  return ok("pairing", `The server takes this device's token until ${expiresAt}`);
}

/** Owns the client for drafts of a program that stays: one for each pairing. */
import type { DraftClient } from "../clients/draft_client.ts";
import { requirePairing } from "../pairing/pairing.ts";
import type { AgentServices } from "./agent_services.ts";

/**
 * Gives the client of the present pairing. The token is read once for each: the Keychain is no place to ask every few
 * seconds.
 */
export function pairedDrafts(
  services: Pick<AgentServices, "pairing" | "drafts">,
): () => Promise<DraftClient> {
  let known: { pairedAs: string; client: DraftClient } | null = null;
  return async () => {
    const stored = await services.pairing.records.load();
    const active = stored.kind === "found" ? stored.state.active : null;
    const pairedAs = JSON.stringify(active);
    if (active !== null && known?.pairedAs === pairedAs) return known.client;
    const { token } = await requirePairing(services.pairing);
    known = { pairedAs, client: services.drafts(token) };
    return known.client;
  };
}

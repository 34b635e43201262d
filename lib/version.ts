/** The product's version, as health answers, metrics and API documents show it. */
export const VERSION = "0.1.0";

/** How a person starts a part: its compiled program, or its task in a checkout. */
export function commandOf(part: "agent" | "server" | "ml", isStandalone = Deno.build.standalone): string {
  return isStandalone ? `conversation-${part}` : `deno task ${part}`;
}

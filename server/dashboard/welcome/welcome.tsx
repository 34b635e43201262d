/** The page for a server without messages: what stays where, how a Mac joins, and the first sync. */
import { useState } from "preact/hooks";
import { Approval } from "../devices/approval.tsx";
import { STRINGS } from "../strings.ts";
import { FirstSync } from "./first_sync.tsx";

const { welcome: TEXT } = STRINGS;

/** Whether an address is one that only its own machine reaches. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}

/** Lines for a terminal, and a button that copies them. */
function Commands({ label, lines }: { label: string; lines: readonly string[] }) {
  const [isCopied, setCopied] = useState<boolean | null>(null);
  const text = lines.join("\n");
  // Without TLS a browser gives the clipboard to pages of its own machine alone.
  const copy = () =>
    Promise.resolve().then(() => navigator.clipboard.writeText(text))
      .then(() => setCopied(true), () => setCopied(false));
  return (
    <div class="commands">
      <pre tabIndex={0} aria-label={label}><code>{text}</code></pre>
      <div class="buttons">
        <button type="button" onClick={() => void copy()}>{TEXT.copy}</button>
        <span role="status">{isCopied !== null && (isCopied ? TEXT.copied : TEXT.notCopied)}</span>
      </div>
    </div>
  );
}

/** Pairing by the sources and by the app; both ask this very server. */
function Pairing() {
  const isHere = isLoopback(location.hostname);
  const address = `AGENT_SERVER_URL=${location.origin}`;
  return (
    <>
      <p>{TEXT.access}</p>
      <Commands
        label={TEXT.pair}
        lines={[...(isHere ? [] : [`export ${address}`]), "deno task agent pair"]}
      />
      {isHere && <p class="quiet">{TEXT.otherMachine}</p>}
      <details>
        <summary>{TEXT.brew}</summary>
        <p class="quiet">{TEXT.brewHint}</p>
        <Commands
          label={TEXT.brew}
          lines={[
            "brew tap OWNER/conversation-assistant",
            "brew install --cask conversation-assistant",
            `${isHere ? "" : `${address} `}conversation-agent pair`,
          ]}
        />
      </details>
    </>
  );
}

/** Own it, pair the Mac, watch the first sync: in this order. */
export function Welcome() {
  return (
    <main id="content" class="sheet scroll" tabIndex={-1}>
      <h1>{TEXT.title}</h1>
      <p>{TEXT.owned}</p>
      <p>
        <strong>{STRINGS.privacy.leaves}:</strong> {STRINGS.privacy.nothing}
      </p>
      <ol class="steps">
        <li class="card">
          <h2>{TEXT.pair}</h2>
          <Pairing />
        </li>
        <li>
          <Approval title={TEXT.approve} />
        </li>
        <li class="card">
          <h2>{TEXT.send}</h2>
          <p>{TEXT.sendHint}</p>
          <Commands
            label={TEXT.send}
            lines={[
              "deno task agent pair --continue",
              "deno task agent sync --once",
              "deno task agent service install",
            ]}
          />
        </li>
        <li class="card">
          <h2>{TEXT.sync}</h2>
          <FirstSync />
        </li>
      </ol>
    </main>
  );
}

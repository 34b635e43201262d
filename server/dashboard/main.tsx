/** Starts the page: signing in, or the pages of who is signed in. */
import "@preact/signals";
import { type ComponentChild, render } from "preact";
import { useState } from "preact/hooks";
import { isSignedIn, sentenceOf } from "./client/api.ts";
import { openPage, pageAddress, type PageName, PAGES } from "./address.ts";
import { Conversations } from "./conversations/conversations.tsx";
import { isConnectionLost, listenWhileSignedIn } from "./client/events.ts";
import { Devices } from "./devices/devices.tsx";
import { Health } from "./health/health.tsx";
import { Privacy } from "./privacy/privacy.tsx";
import { endSession, resumeSession } from "./client/session.ts";
import { SignIn } from "./welcome/sign_in.tsx";
import { STRINGS } from "./strings.ts";
import { Training } from "./training/training.tsx";
import { Welcome } from "./welcome/welcome.tsx";

/** Moves the focus without the address, which says where the person is. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

const PAGE_OF: Readonly<Record<PageName, () => ComponentChild>> = {
  conversations: Conversations,
  training: Training,
  devices: Devices,
  privacy: Privacy,
  health: Health,
  welcome: Welcome,
};

function Navigation() {
  return (
    <nav class="pages" aria-label={STRINGS.navigation}>
      {PAGES.map((page) => (
        <a key={page} href={pageAddress(page)} aria-current={openPage.value === page ? "page" : undefined}>
          {STRINGS.pages[page]}
        </a>
      ))}
    </nav>
  );
}

function Page() {
  const [error, setError] = useState<string | null>(null);
  const signOut = () => {
    setError(null);
    endSession().catch((error) => setError(sentenceOf(error)));
  };
  if (isSignedIn.value === null) return null;
  if (!isSignedIn.value) return <SignIn />;
  const Open = PAGE_OF[openPage.value];
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>{STRINGS.skip}</a>
      <header class="top">
        <img src="/icon.svg" alt="" width="24" height="24" />
        <strong class="product">{STRINGS.product}</strong>
        <Navigation />
        {error !== null && <span role="alert">{error}</span>}
        <button type="button" class="plain" onClick={signOut}>
          {STRINGS.signOut}
        </button>
      </header>
      <p class="connection" role="status">{isConnectionLost.value && STRINGS.reconnecting}</p>
      <Open />
    </>
  );
}

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
listenWhileSignedIn();
void resumeSession();

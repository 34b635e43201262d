/** Starts the page: signing in, or the conversations of who is signed in. */
import "@preact/signals";
import { render } from "preact";
import { useState } from "preact/hooks";
import { isSignedIn, sentenceOf } from "./api.ts";
import { Conversations } from "./conversations.tsx";
import { endSession, resumeSession } from "./session.ts";
import { SignIn } from "./sign_in.tsx";
import { STRINGS } from "./strings.ts";

/** Moves the focus without the address, which says where the person is. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}

function Page() {
  const [error, setError] = useState<string | null>(null);
  const signOut = () => {
    setError(null);
    endSession().catch((error) => setError(sentenceOf(error)));
  };
  if (isSignedIn.value === null) return null;
  if (!isSignedIn.value) return <SignIn />;
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>{STRINGS.skip}</a>
      <header class="top">
        <img src="/icon.svg" alt="" width="24" height="24" />
        <strong>{STRINGS.product}</strong>
        {error !== null && <span role="alert">{error}</span>}
        <button type="button" class="plain" onClick={signOut}>
          {STRINGS.signOut}
        </button>
      </header>
      <Conversations />
    </>
  );
}

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
void resumeSession();

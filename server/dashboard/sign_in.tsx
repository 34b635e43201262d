/** Signing in: the browser shows a code, the owner approves it, and the browser gets a session. */
import { useState } from "preact/hooks";
import {
  type RegisterDeviceResponse,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { accessEnded, request, sentenceOf } from "./api.ts";
import { startSession } from "./session.ts";
import { STRINGS } from "./strings.ts";

const { signIn: TEXT } = STRINGS;

/** Registers this browser, whose code the owner then approves. */
function register(): Promise<RegisterDeviceResponse> {
  const body = { name: "Browser", hardwareId: crypto.randomUUID(), platform: "web", osVersion: "browser" };
  return request(`POST ${SERVER_PATHS.registerDevice}`, { schema: registerDeviceResponseSchema, body });
}

async function verify({ deviceId, code }: RegisterDeviceResponse): Promise<void> {
  const { token } = await request(`POST ${SERVER_PATHS.verifyDevice}`, {
    schema: verifyDeviceResponseSchema,
    body: { deviceId, code },
  });
  await startSession({ token });
}

function CodeToApprove({ code }: { code: string }) {
  return (
    <>
      <p class="code" aria-label={TEXT.code}>{code}</p>
      <p>{TEXT.approve}</p>
      <pre><code>{TEXT.command(code)}</code></pre>
      <p class="quiet">{TEXT.empty}</p>
    </>
  );
}

/** The page of a browser that is not signed in. */
export function SignIn() {
  const [registered, setRegistered] = useState<RegisterDeviceResponse | null>(null);
  const [error, setError] = useState<string | null>(accessEnded.value ? TEXT.ended : null);
  const attempt = async (step: () => Promise<unknown>) => {
    setError(null);
    await step().catch((error) => setError(sentenceOf(error)));
  };
  const begin = () => void attempt(async () => setRegistered(await register()));
  return (
    <main class="sign-in" id="content">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>{STRINGS.product}</h1>
      <p>{TEXT.lead}</p>
      {registered !== null && <CodeToApprove code={registered.code} />}
      {error !== null && <p role="alert">{error}</p>}
      {registered === null
        ? <button type="button" class="primary" onClick={begin}>{TEXT.begin}</button>
        : (
          <div class="buttons">
            <button type="button" class="primary" onClick={() => void attempt(() => verify(registered))}>
              {TEXT.proceed}
            </button>
            <button type="button" onClick={begin}>{TEXT.again}</button>
          </div>
        )}
    </main>
  );
}

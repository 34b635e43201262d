/** Signing in: the browser shows a code, the owner approves it, and the browser gets a session. */
import { useEffect, useState } from "preact/hooks";
import {
  type RegisterDeviceResponse,
  registerDeviceResponseSchema,
  verifyDeviceResponseSchema,
} from "../../../contract/devices.ts";
import type { ErrorCode } from "../../../contract/errors.ts";
import { SERVER_PATHS } from "../../../contract/paths.ts";
import { accessEnded, request, RequestError, sentenceOf } from "../client/api.ts";
import { startSession } from "../client/session.ts";
import { Restore } from "./restore.tsx";
import { STRINGS } from "../strings.ts";

const { signIn: TEXT } = STRINGS;

/** How often a browser that waits for its approval asks whether it came. */
const ASK_AGAIN_MS = 2_000;

/** A name for this browser's hardware that no other has; without TLS a browser has no `crypto.randomUUID`. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

/** Registers this browser, whose code the owner then approves. */
function register(): Promise<RegisterDeviceResponse> {
  const described = { name: "Browser", platform: "web", osVersion: "browser", join: true };
  const body = { ...described, hardwareId: randomId() };
  return request(`POST ${SERVER_PATHS.registerDevice}`, { schema: registerDeviceResponseSchema, body });
}

/** A registration, and what the server wants before it lets the browser in. */
interface Waiting {
  readonly registered: RegisterDeviceResponse;
  readonly wants: "approval" | "setup_code";
}

const WANTS: Partial<Record<ErrorCode, Waiting["wants"]>> = {
  pairing_required: "approval",
  setup_code_required: "setup_code",
};

/** Signs in, or returns what the server wants first. @throws RequestError */
async function verify(registered: RegisterDeviceResponse, setupCode?: string): Promise<Waiting | null> {
  const { deviceId, code } = registered;
  try {
    const { token } = await request(`POST ${SERVER_PATHS.verifyDevice}`, {
      schema: verifyDeviceResponseSchema,
      body: { deviceId, code, setupCode },
    });
    await startSession({ token });
    return null;
  } catch (error) {
    const wants = error instanceof RequestError && error.code !== null ? WANTS[error.code] : undefined;
    if (wants === undefined || setupCode !== undefined) throw error;
    return { registered, wants };
  }
}

function CodeToApprove({ registered, onAsk }: { registered: RegisterDeviceResponse; onAsk: () => void }) {
  useEffect(() => {
    const timer = setInterval(onAsk, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [registered]);
  const { code, approveCommand } = registered;
  return (
    <>
      <p class="code" aria-label={TEXT.code}>{code}</p>
      <p>{TEXT.approve}</p>
      {approveCommand !== undefined && <pre><code>{approveCommand}</code></pre>}
      <p class="quiet" role="status">{TEXT.waits}</p>
    </>
  );
}

function SetupCode({ onCode }: { onCode: (code: string) => void }) {
  const [code, setCode] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    onCode(code.trim());
  };
  return (
    <form class="buttons" onSubmit={submit}>
      <p>{TEXT.setup}</p>
      <input
        autoFocus
        required
        autoComplete="off"
        maxLength={40}
        aria-label={TEXT.setupCode}
        placeholder={TEXT.setupCode}
        value={code}
        onInput={(event) => setCode(event.currentTarget.value)}
      />
      <button type="submit" class="primary">{TEXT.claim}</button>
    </form>
  );
}

/** The page of a browser that is not signed in. */
export function SignIn() {
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const [error, setError] = useState<string | null>(null);
  const attempt = async (step: () => Promise<Waiting | null>) => {
    try {
      setWaiting(await step());
      setError(null);
      accessEnded.value = false;
    } catch (error) {
      setError(sentenceOf(error));
      if (error instanceof RequestError && error.code === "code_invalid") setWaiting(null);
    }
  };
  const begin = () => void attempt(async () => await verify(await register()));
  return (
    <main class="sign-in" id="content">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>{STRINGS.product}</h1>
      <p>{TEXT.lead}</p>
      {waiting?.wants === "approval" && (
        <CodeToApprove
          registered={waiting.registered}
          onAsk={() => void attempt(() => verify(waiting.registered))}
        />
      )}
      {waiting?.wants === "setup_code" && (
        <SetupCode onCode={(code) => void attempt(() => verify(waiting.registered, code))} />
      )}
      {error !== null && <p role="alert">{error}</p>}
      {error === null && accessEnded.value && <p role="alert">{TEXT.ended}</p>}
      {waiting === null
        ? <button type="button" class="primary" onClick={begin}>{TEXT.begin}</button>
        : <button type="button" class="plain" onClick={begin}>{TEXT.again}</button>}
      {waiting?.wants !== "approval" && <Restore />}
    </main>
  );
}

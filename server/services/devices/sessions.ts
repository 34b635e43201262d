/** Signs browsers in: a session acts as the device that vouched for it, and ends with that device. */
import type { Session, SessionCode, StartSessionRequest } from "../../../contract/session.ts";
import { ApiError } from "../../../lib/errors.ts";
import {
  activeCallerOf,
  type Caller,
  callerOfToken,
  randomSecret,
  secretHashOf,
  type TokenCheckOptions,
} from "../../auth/authenticate.ts";
import type { SessionStore } from "../../store/devices/session_store.ts";
import type { DeviceService } from "./device_service.ts";

/** How long a session lasts after it was last read. */
export const SESSION_VALIDITY_MS = 90 * 24 * 3_600_000;
/** How long a code may be used. */
export const SESSION_CODE_VALIDITY_MS = 60_000;

/** A session with the secret that the browser's cookie is to hold. */
export interface StartedSession {
  readonly secret: string;
  readonly session: Session;
}

export interface SessionService {
  /** @throws ApiError `code_invalid`, `unauthorized`, `token_expired` or `device_deactivated` */
  start(request: StartSessionRequest): Promise<StartedSession>;
  /** The caller's session, which lasts its full time again from now; `secret` is null for a caller with a token. */
  read(caller: Caller, secret: string | null): Promise<Session>;
  end(secret: string): Promise<void>;
  /** A code by which a browser becomes a session of the caller's device. */
  createCode(caller: Caller): Promise<SessionCode>;
}

export interface SessionServiceOptions extends TokenCheckOptions {
  sessions: SessionStore;
  me: DeviceService["me"];
}

async function callerOfRequest(
  request: StartSessionRequest,
  options: SessionServiceOptions,
): Promise<Caller> {
  if ("token" in request) return await callerOfToken(request.token, options);
  const device = await options.sessions.useCode(secretHashOf(request.code), options.now());
  if (device === undefined) {
    throw new ApiError("code_invalid", "The code has expired or was used: ask for a new one");
  }
  return await activeCallerOf(device, options);
}

/** Makes the service of sessions. */
export function createSessionService(options: SessionServiceOptions): SessionService {
  const { sessions, me } = options;
  const after = (ms: number) => new Date(options.now().getTime() + ms);
  return {
    async start(request) {
      const caller = await callerOfRequest(request, options);
      const secret = randomSecret();
      const [secretHash, expiresAt] = [secretHashOf(secret), after(SESSION_VALIDITY_MS)];
      await sessions.add({ secretHash, deviceId: caller.deviceId, expiresAt, now: options.now() });
      return { secret, session: { device: await me(caller), expiresAt: expiresAt.toISOString() } };
    },
    async read(caller, secret) {
      const device = await me(caller);
      if (secret === null) return { device, expiresAt: null };
      const expiresAt = after(SESSION_VALIDITY_MS);
      await sessions.extend(secretHashOf(secret), expiresAt);
      return { device, expiresAt: expiresAt.toISOString() };
    },
    end: async (secret) => await sessions.remove(secretHashOf(secret)),
    async createCode({ deviceId }) {
      const code = randomSecret();
      const [codeHash, expiresAt] = [secretHashOf(code), after(SESSION_CODE_VALIDITY_MS)];
      await sessions.addCode({ codeHash, deviceId, expiresAt, now: options.now() });
      return { code, expiresAt: expiresAt.toISOString() };
    },
  };
}

/** The routes of `/api/session`. */
import { type Context, createRoute, deleteCookie, setCookie } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import {
  endedSessionSchema,
  sessionCodeSchema,
  sessionSchema,
  startSessionRequestSchema,
} from "../../contract/session.ts";
import { createRoutes, errorResponses, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import { type ServerEnv, SESSION_COOKIE, sessionSecretOf } from "../auth/authenticate.ts";
import { SESSION_VALIDITY_MS, type SessionService } from "../services/devices/sessions.ts";

const start = createRoute({
  method: "post",
  path: SERVER_PATHS.session,
  summary:
    "Signs a browser in with a device's token or a one-time code; the answer sets the session's cookie",
  security: [],
  request: { body: jsonBody(startSessionRequestSchema) },
  responses: {
    200: jsonResponse(sessionSchema, "The session, which acts as the device"),
    ...errorResponses(400, 401, 403, 413, 503),
  },
});

const read = tokenRoute("get", SERVER_PATHS.session, {
  summary: "Shows as which device the caller is signed in; a session lasts its full time again from then",
  responses: { 200: jsonResponse(sessionSchema, "The device, and when the session ends") },
});

const end = tokenRoute("delete", SERVER_PATHS.session, {
  summary: "Signs the browser out",
  responses: { 200: jsonResponse(endedSessionSchema, "Whether a session was ended") },
});

const createCode = tokenRoute("post", SERVER_PATHS.sessionCodes, {
  summary: "Makes a code that signs one browser in as the caller's device within 60 seconds",
  responses: { 201: jsonResponse(sessionCodeSchema, "The code, usable once") },
});

function setSessionCookie(c: Context, secret: string): void {
  setCookie(c, SESSION_COOKIE, secret, {
    httpOnly: true,
    sameSite: "Strict",
    path: "/",
    secure: new URL(c.req.url).protocol === "https:",
    maxAge: SESSION_VALIDITY_MS / 1_000,
  });
}

/** The routes of sessions. */
export function sessionRoutes({ sessions }: { sessions: SessionService }) {
  return createRoutes<ServerEnv>()
    .openapi(start, async (c) => {
      const { secret, session } = await sessions.start(c.req.valid("json"));
      setSessionCookie(c, secret);
      return c.json(session, 200);
    })
    .openapi(read, async (c) => {
      const secret = sessionSecretOf(c);
      const session = await sessions.read(c.var.caller, secret);
      if (secret !== null) setSessionCookie(c, secret);
      return c.json(session, 200);
    })
    .openapi(end, async (c) => {
      const secret = sessionSecretOf(c);
      if (secret !== null) await sessions.end(secret);
      deleteCookie(c, SESSION_COOKIE, { path: "/" });
      return c.json({ ended: secret !== null }, 200);
    })
    .openapi(createCode, async (c) => c.json(await sessions.createCode(c.var.caller), 201));
}

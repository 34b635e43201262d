/** The wire of `/api/session`: how a browser signs in, as a device, by a cookie that no script can read. */
import * as z from "zod";
import { deviceSchema } from "./devices.ts";
import { timeSchema } from "./scalars.ts";

/** What signs a browser in: the token of a device, or a code that a paired device asked for. */
export const startSessionRequestSchema = z.union([
  z.strictObject({ token: z.string().min(1).max(4_096).describe("A device's token") }),
  z.strictObject({ code: z.string().min(1).max(200).describe("A code of `POST /api/session/codes`") }),
]).meta({ id: "StartSessionRequest" });
export type StartSessionRequest = z.infer<typeof startSessionRequestSchema>;

export const sessionSchema = z.object({
  device: deviceSchema.describe("The device that the browser acts as"),
  expiresAt: timeSchema.nullable().describe(
    "When the session ends unless it is read again before; null where a token was sent instead of the cookie",
  ),
}).meta({ id: "Session" });
export type Session = z.infer<typeof sessionSchema>;

export const endedSessionSchema = z.object({
  ended: z.boolean().describe("False where a token was sent instead of the cookie"),
}).meta({ id: "EndedSession" });

/** Signs one browser in as the device that asked; shown to nobody else. */
export const sessionCodeSchema = z.object({
  code: z.string(),
  expiresAt: timeSchema.describe("60 seconds from now"),
}).meta({ id: "SessionCode" });
export type SessionCode = z.infer<typeof sessionCodeSchema>;

/** The wire of `/api/devices`: registering, verifying, linking, listing and deactivating devices. */
import * as z from "zod";
import { pageFields } from "./paging.ts";
import { idSchema, labelSchema, timeSchema } from "./scalars.ts";

export const PLATFORMS = ["macos", "ios", "linux", "windows", "web", "other"] as const;
export const DEVICE_SCOPES = ["full", "sync"] as const;
export const DEVICE_STATUSES = ["pending", "active", "deactivated"] as const;

export const deviceScopeSchema = z.enum(DEVICE_SCOPES).meta({ id: "DeviceScope" });
export type DeviceScope = z.infer<typeof deviceScopeSchema>;

/** A pairing code: six decimal digits, valid for ten minutes, usable once. */
export const pairingCodeSchema = z.string().regex(/^[0-9]{6}$/, "must be six digits");

export const registerDeviceRequestSchema = z.object({
  name: labelSchema(200).describe("What the person calls the device"),
  hardwareId: labelSchema(200),
  platform: z.enum(PLATFORMS),
  osVersion: labelSchema(64),
  scope: deviceScopeSchema.optional().describe("`sync` may only ingest; default `full`"),
  join: z.boolean().optional().describe(
    "It gets no account of its own: it waits for the owner's approval, whatever `PAIRING` is. On a server that nobody " +
      "owns it claims the server, from the same machine or with the setup code",
  ),
}).meta({ id: "RegisterDeviceRequest" });
export type RegisterDeviceRequest = z.infer<typeof registerDeviceRequestSchema>;

export const registerDeviceResponseSchema = z.object({
  deviceId: idSchema,
  code: pairingCodeSchema,
  expiresAt: timeSchema,
  approveCommand: z.string().optional().describe(
    "What approves the code on the server's machine, as it is typed there",
  ),
}).meta({ id: "RegisterDeviceResponse" });
export type RegisterDeviceResponse = z.infer<typeof registerDeviceResponseSchema>;

export const verifyDeviceRequestSchema = z.object({
  deviceId: idSchema,
  code: pairingCodeSchema,
  setupCode: z.string().min(1).max(40).optional().describe(
    "What a server that nobody owns printed at its start; only the first device needs it, and not on loopback",
  ),
}).meta({ id: "VerifyDeviceRequest" });
export type VerifyDeviceRequest = z.infer<typeof verifyDeviceRequestSchema>;

export const verifyDeviceResponseSchema = z.object({
  token: z.string().describe("JWT, valid seven days"),
  expiresAt: timeSchema,
  refreshToken: z.string().optional().describe(
    "Gives the next token at `POST /api/devices/refresh`, and with it the next refresh token",
  ),
  refreshExpiresAt: timeSchema.optional().describe("When the refresh token ends, 90 days from now"),
}).meta({ id: "VerifyDeviceResponse" });
export type VerifyDeviceResponse = z.infer<typeof verifyDeviceResponseSchema>;

export const refreshDeviceRequestSchema = z.object({
  refreshToken: z.string().min(1).max(200),
}).meta({ id: "RefreshDeviceRequest" });
export type RefreshDeviceRequest = z.infer<typeof refreshDeviceRequestSchema>;

export const deviceSchema = z.object({
  id: idSchema,
  name: z.string(),
  hardwareId: z.string(),
  platform: z.enum(PLATFORMS),
  osVersion: z.string(),
  scope: deviceScopeSchema,
  status: z.enum(DEVICE_STATUSES),
  createdAt: timeSchema,
  verifiedAt: timeSchema.nullable(),
  lastSeenAt: timeSchema.nullable(),
  deactivatedAt: timeSchema.nullable(),
}).meta({ id: "Device" });
export type Device = z.infer<typeof deviceSchema>;

export const deviceListSchema = z.object({ devices: z.array(deviceSchema), ...pageFields })
  .meta({ id: "DeviceList" });
export type DeviceList = z.infer<typeof deviceListSchema>;

export const deviceResponseSchema = z.object({ device: deviceSchema }).meta({ id: "DeviceResponse" });
export type DeviceResponse = z.infer<typeof deviceResponseSchema>;

export const renameDeviceRequestSchema = registerDeviceRequestSchema.pick({ name: true }).meta({
  id: "RenameDeviceRequest",
});
export type RenameDeviceRequest = z.infer<typeof renameDeviceRequestSchema>;

/** An active device of the owner vouches for the new device that shows this code. */
export const linkDeviceRequestSchema = z.object({ code: pairingCodeSchema }).meta({
  id: "LinkDeviceRequest",
});
export type LinkDeviceRequest = z.infer<typeof linkDeviceRequestSchema>;

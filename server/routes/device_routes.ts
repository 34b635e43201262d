/** The routes of `/api/devices`. */
import { createRoute } from "../../deps.ts";
import {
  deviceListSchema,
  deviceResponseSchema,
  linkDeviceRequestSchema,
  refreshDeviceRequestSchema,
  registerDeviceRequestSchema,
  registerDeviceResponseSchema,
  renameDeviceRequestSchema,
  verifyDeviceRequestSchema,
  verifyDeviceResponseSchema,
} from "../../contract/devices.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { pageQuery } from "../../contract/paging.ts";
import { idParams } from "../../contract/scalars.ts";
import { createRoutes, errorResponses, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ClientAddressOf, ServerEnv } from "../auth/authenticate.ts";
import type { DeviceService } from "../services/devices/device_service.ts";

const register = createRoute({
  method: "post",
  path: SERVER_PATHS.registerDevice,
  summary: "Registers a device and gives it a pairing code",
  request: { body: jsonBody(registerDeviceRequestSchema) },
  responses: {
    201: jsonResponse(registerDeviceResponseSchema, "The code to verify with, valid ten minutes"),
    ...errorResponses(400, 413, 429, 503),
  },
});

const verify = createRoute({
  method: "post",
  path: SERVER_PATHS.verifyDevice,
  summary: "Turns a pairing code into a token",
  request: { body: jsonBody(verifyDeviceRequestSchema) },
  responses: {
    200: jsonResponse(verifyDeviceResponseSchema, "The device's token"),
    ...errorResponses(400, 403, 413, 429, 503),
  },
});

const refresh = createRoute({
  method: "post",
  path: SERVER_PATHS.refreshDevice,
  summary: "Gives a device its next token and refresh token; reusing a replaced one deactivates the device",
  request: { body: jsonBody(refreshDeviceRequestSchema) },
  responses: {
    200: jsonResponse(verifyDeviceResponseSchema, "The device's next token"),
    ...errorResponses(400, 401, 403, 413, 503),
  },
});

const list = tokenRoute("get", SERVER_PATHS.devices, {
  summary: "Lists the account's devices, newest first",
  request: { query: pageQuery },
  responses: { 200: jsonResponse(deviceListSchema, "A page of devices") },
});

const me = tokenRoute("get", SERVER_PATHS.currentDevice, {
  summary: "Shows the device that asks",
  responses: { 200: jsonResponse(deviceResponseSchema, "The token's own device") },
});

const link = tokenRoute("post", SERVER_PATHS.linkDevice, {
  summary: "Lets the device that shows a code into the caller's account",
  request: { body: jsonBody(linkDeviceRequestSchema) },
  responses: { 200: jsonResponse(deviceResponseSchema, "The device, which may verify itself now") },
  errors: [429],
});

const rename = tokenRoute("post", SERVER_PATHS.renameDevice, {
  summary: "Gives a device another name",
  request: { params: idParams, body: jsonBody(renameDeviceRequestSchema) },
  responses: { 200: jsonResponse(deviceResponseSchema, "The renamed device") },
});

const deactivate = tokenRoute("post", SERVER_PATHS.deactivateDevice, {
  summary: "Shuts a device out at once",
  request: { params: idParams },
  responses: { 200: jsonResponse(deviceResponseSchema, "The deactivated device") },
});

/** The routes of devices. */
export function deviceRoutes(
  { devices, clientAddressOf }: { devices: DeviceService; clientAddressOf: ClientAddressOf },
) {
  return createRoutes<ServerEnv>()
    .openapi(register, async (c) => {
      const origin = { address: clientAddressOf(c) };
      return c.json(await devices.register(c.req.valid("json"), origin), 201);
    })
    .openapi(verify, async (c) => {
      const origin = { address: clientAddressOf(c) };
      return c.json(await devices.verify(c.req.valid("json"), origin), 200);
    })
    .openapi(refresh, async (c) => c.json(await devices.refresh(c.req.valid("json")), 200))
    .openapi(list, async (c) => c.json(await devices.list(c.var.caller, c.req.valid("query")), 200))
    .openapi(me, async (c) => c.json({ device: await devices.me(c.var.caller) }, 200))
    .openapi(link, async (c) => {
      const request = { ...c.req.valid("json"), address: clientAddressOf(c) };
      return c.json({ device: await devices.link(c.var.caller, request) }, 200);
    })
    .openapi(rename, async (c) => {
      const device = { deviceId: c.req.valid("param").id, name: c.req.valid("json").name };
      return c.json({ device: await devices.rename(c.var.caller, device) }, 200);
    })
    .openapi(deactivate, async (c) => {
      return c.json({ device: await devices.deactivate(c.var.caller, c.req.valid("param").id) }, 200);
    });
}

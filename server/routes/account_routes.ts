/** The routes of `/api/account`. */
import { z } from "../../deps.ts";
import {
  accountDeletionSchema,
  accountSettingsSchema,
  changeAccountSettingsRequestSchema,
  deleteAccountRequestSchema,
} from "../../contract/account.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoutes, jsonBody, jsonResponse, tokenRoute } from "../../lib/http/app.ts";
import type { ServerEnv } from "../auth/authenticate.ts";
import type { AccountService } from "../services/account_service.ts";

const exportAccount = tokenRoute("get", SERVER_PATHS.exportAccount, {
  summary: "Hands out all that is stored of the account, as a zip of JSON lines",
  description:
    "A file for each of devices, contacts, conversations, messages, drafts, samples, training jobs and adapters (their figures, " +
    "not their weights), as it was at one moment. A file that was cut off has no directory at its end, and no program opens it.",
  responses: {
    200: {
      description: "The zip",
      content: { "application/zip": { schema: z.string().meta({ format: "binary" }) } },
    },
  },
});

const deleteAccount = tokenRoute("delete", SERVER_PATHS.account, {
  summary: "Deletes the account with everything in it, for good, and has ml delete what was made of it",
  description: "Backups of the server keep what was in them.",
  request: { body: jsonBody(deleteAccountRequestSchema) },
  responses: { 200: jsonResponse(accountDeletionSchema, "What was deleted") },
});

const settings = tokenRoute("get", SERVER_PATHS.accountSettings, {
  summary: "Shows the account's settings",
  responses: { 200: jsonResponse(accountSettingsSchema, "The settings") },
});

const changeSettings = tokenRoute("put", SERVER_PATHS.accountSettings, {
  summary: "Changes the account's settings",
  request: { body: jsonBody(changeAccountSettingsRequestSchema) },
  responses: { 200: jsonResponse(accountSettingsSchema, "The settings as they are now") },
});

/** The routes of accounts. */
export function accountRoutes({ account }: { account: AccountService }) {
  return createRoutes<ServerEnv>()
    .openapi(
      deleteAccount,
      async (c) => c.json(await account.delete(c.var.caller, c.req.valid("json").name), 200),
    )
    .openapi(settings, async (c) => c.json(await account.settings(c.var.caller), 200))
    .openapi(
      changeSettings,
      async (c) => c.json(await account.changeSettings(c.var.caller, c.req.valid("json")), 200),
    )
    .openapi(exportAccount, (c) => {
      const pieces = account.export(c.var.caller);
      // The typed route knows JSON answers only.
      return c.body(ReadableStream.from(pieces), 200, {
        "content-type": "application/zip",
        "content-disposition": 'attachment; filename="conversation-assistant.zip"',
      }) as never;
    });
}

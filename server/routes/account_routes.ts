/** The routes of `/api/account`. */
import { z } from "../../deps.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { createRoutes, tokenRoute } from "../../lib/http/app.ts";
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

/** The routes of accounts. */
export function accountRoutes({ account }: { account: AccountService }) {
  return createRoutes<ServerEnv>().openapi(exportAccount, (c) => {
    const pieces = account.export(c.var.caller);
    // The typed route knows JSON answers only.
    return c.body(ReadableStream.from(pieces), 200, {
      "content-type": "application/zip",
      "content-disposition": 'attachment; filename="conversation-assistant.zip"',
    }) as never;
  });
}

/** The wire of `/api/account`: deleting it, and its settings. */
import * as z from "zod";
import { textSchema } from "./scalars.ts";

export const deleteAccountRequestSchema = z.strictObject({
  name: textSchema(256, { minLength: 1 })
    .describe(
      "The name of the device that asks, as `GET /api/devices/me` shows it: nobody deletes all by accident",
    ),
}).meta({ id: "DeleteAccountRequest" });

const count = z.int().min(0);

export const accountDeletionSchema = z.object({
  messages: count,
  conversations: count,
  contacts: count,
  responses: count.describe("Drafts"),
  samples: count.describe("Training samples"),
  adapters: count.describe("Adapters, which ml deletes too"),
  devices: count.describe("All are signed out"),
}).meta({ id: "AccountDeletion", description: "What was deleted" });
export type AccountDeletion = z.infer<typeof accountDeletionSchema>;

export const accountSettingsSchema = z.object({
  draftCoverage: z.number().min(0).max(1).describe(
    "The share of drafts that are suggested, the likeliest to be sent first: 1 for all, 0.5 for the easier half",
  ),
  automaticCoverage: z.number().min(0).max(1).describe(
    "The share of what waits for a reply that gets a draft by itself, what the person answers likeliest first: 1 for all. It " +
      "concerns automatic conversations alone; whoever asks for a draft gets one",
  ),
  learnFromSent: z.boolean().describe(
    "Whether trainings learn from what was sent in place of a draft that was not used; false by default",
  ),
}).meta({ id: "AccountSettings" });
export type AccountSettings = z.infer<typeof accountSettingsSchema>;

export const changeAccountSettingsRequestSchema = accountSettingsSchema.partial().meta({
  id: "ChangeAccountSettingsRequest",
  description: "Those to change; the others stay",
});
export type ChangeAccountSettingsRequest = z.infer<typeof changeAccountSettingsRequestSchema>;

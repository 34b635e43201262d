/** The names of people and conversations, as the owner's contacts have them. */
import { signal } from "@preact/signals";
import { contactListSchema, type Conversation } from "../../contract/conversations.ts";
import { MAX_PAGE_SIZE } from "../../contract/paging.ts";
import { SERVER_PATHS } from "../../contract/paths.ts";
import { request } from "./client/api.ts";
import { STRINGS } from "./strings.ts";

/** Names by handle. A handle without a name stands for itself. */
const names = signal<ReadonlyMap<string, string>>(new Map());

/** Reads every contact. @throws RequestError */
export async function loadNames(): Promise<void> {
  const found = new Map<string, string>();
  let cursor: string | null = "";
  while (cursor !== null) {
    const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = await request(`GET ${SERVER_PATHS.contacts}?pageSize=${MAX_PAGE_SIZE}${after}`, {
      schema: contactListSchema,
    });
    for (const { displayName, appleId, phoneNumber, email } of page.contacts) {
      for (const handle of [appleId, phoneNumber, email]) {
        if (handle !== null && displayName !== null) found.set(handle, displayName);
      }
    }
    cursor = page.nextCursor ?? null;
  }
  names.value = found;
}

/** The name of whoever writes from a handle. */
export function nameOf(handle: string): string {
  return names.value.get(handle) ?? handle;
}

/** What a conversation is called. */
export function titleOf({ displayName, participantIds, isGroup }: Conversation): string {
  if (displayName !== null && displayName.trim() !== "") return displayName;
  const people = participantIds.map(nameOf).join(", ");
  return people === "" ? STRINGS.conversations.unknown : isGroup ? people : nameOf(participantIds[0] ?? "");
}

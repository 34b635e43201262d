/** Where the person is on the page: the part of the address behind `#`. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

/** The id of the open conversation; null on the list alone. */
export const openConversationId = computed(() =>
  /^#\/conversations\/([\w-]+)$/.exec(hash.value)?.[1] ?? null
);

export const LIST_ADDRESS = "#/conversations";

/** The address of a conversation. */
export function conversationAddress(id: string): string {
  return `${LIST_ADDRESS}/${encodeURIComponent(id)}`;
}

/** Where the person is on the page: the part of the address behind `#`. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

const place = computed(() => /^#\/conversations\/([\w-]+)(?:\/([\w-]+))?$/.exec(hash.value));

/** The id of the open conversation; null on the list alone. */
export const openConversationId = computed(() => place.value?.[1] ?? null);

/** The id of the message at which the conversation is open; null at its newest. */
export const openMessageId = computed(() => place.value?.[2] ?? null);

export const LIST_ADDRESS = "#/conversations";

/** The pages behind the navigation, in its order; the first is shown where the address names none. */
export const PAGES = ["conversations", "training", "devices", "privacy", "health"] as const;
/** A page, or the one for a server without messages, which leads to the others. */
export type PageName = typeof PAGES[number] | "welcome";

export const WELCOME_ADDRESS = "#/welcome";

/** The page that is open. */
export const openPage = computed((): PageName =>
  ([...PAGES, "welcome"] as const).find((page) => new RegExp(`^#/${page}(/|$)`).test(hash.value)) ?? PAGES[0]
);

/** The address of a page. */
export function pageAddress(page: PageName): string {
  return `#/${page}`;
}

/** The address of a conversation, or of one of its messages. */
export function conversationAddress(id: string, messageId?: string): string {
  const address = `${LIST_ADDRESS}/${encodeURIComponent(id)}`;
  return messageId === undefined ? address : `${address}/${encodeURIComponent(messageId)}`;
}

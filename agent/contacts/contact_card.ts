/** Owns one card of one source: a person or company with every address, and the name to show for it. */

/** A phone number in E.164 form, or an e-mail address in lower case: a handle of chat.db. */
export interface CardHandle {
  kind: "phone" | "email";
  value: string;
  /** `Mobile`, `Home` or what the person typed; null without a label. */
  label: string | null;
}

export interface CardName {
  first: string | null;
  last: string | null;
  nickname: string | null;
  organization: string | null;
}

export interface ContactCard {
  name: CardName;
  handles: CardHandle[];
  /** The owner's own card. */
  isMe: boolean;
  /** SHA-256 of the picture, in hex; null without one. */
  avatarHash: string | null;
}

/** The name of a card: first and last, else the nickname, else the organisation; null for a card without any. */
export function cardTitle({ first, last, nickname, organization }: CardName): string | null {
  return [first, last].filter((part) => part !== null).join(" ") || nickname || organization;
}

/** How much a card's name tells: of two cards with one handle the fuller one names it. */
export function nameRank({ first, last, nickname, organization }: CardName): number {
  if (first !== null && last !== null) return 4;
  if (first !== null || last !== null) return 3;
  if (nickname !== null) return 2;
  return organization === null ? 0 : 1;
}

/** Contacts writes its own labels so; those a person typed have no frame. */
const BUILT_IN_LABEL = /^_\$!<(.*)>!\$_$/;

/** The words of a label, without the frame of the built-in ones. */
export function labelWords(label: string | null): string | null {
  return label === null ? null : BUILT_IN_LABEL.exec(label)?.[1] ?? label;
}

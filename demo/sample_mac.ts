/** The demo's sample Mac: a Messages database and an address book, with invented or real conversations. */
import { join } from "node:path";
import { writeAddressBook } from "../tests/support/mac/address_book_fixture.ts";
import { buildSampleMessages, type SampleConversation } from "../tests/support/chat_db/sample.ts";
import { CONVERSATIONS, OWNER, PEOPLE } from "./conversations.ts";
import { FAMILY, HISTORY } from "./history.ts";
import { keyOfParticipants } from "./story.ts";
import { type DemoConversation, type DemoPerson, parseConversation, parseScript } from "./sample_script.ts";

export interface SampleMac {
  chatDbPath: string;
  addressBookPath: string;
  messages: number;
  conversations: number;
  /** What the owner really answered, by `keyOfParticipants`. */
  realReplies: Map<string, string>;
}

/** The people and conversations to write. */
export interface SampleContent {
  people: DemoPerson[];
  conversations: DemoConversation[];
  /** Those that wait for no reply: what the owner wrote in them is there to learn from. */
  earlier?: SampleConversation[];
}

/** The invented people, their last words a few minutes ago. */
export function inventedContent(now: Date): SampleContent {
  return {
    people: [...PEOPLE, ...FAMILY],
    conversations: CONVERSATIONS.map((scripted) => parseScript(scripted, now)),
    earlier: HISTORY.map((scripted) => parseConversation(scripted, now)),
  };
}

function repliesByParticipants({ people, conversations }: SampleContent): Map<string, string> {
  const handles = new Map(people.map((person) => [person.key, person.handle]));
  return new Map(conversations.map(({ conversation, realReply }) => {
    return [keyOfParticipants(conversation.participants.map((key) => handles.get(key) ?? key)), realReply];
  }));
}

/** Writes the sample Mac's files into a folder that holds none yet. */
export function buildSampleMac(dir: string, content: SampleContent): SampleMac {
  const chatDbPath = join(dir, "Messages", "chat.db");
  const addressBookPath = join(dir, "AddressBook");
  Deno.mkdirSync(join(dir, "Messages"), { recursive: true });
  const counts = buildSampleMessages(chatDbPath, {
    me: OWNER.handle,
    people: content.people.map(({ key, handle }) => ({ key, handles: [handle] })),
    conversations: [
      ...content.earlier ?? [],
      ...content.conversations.map((entry) => entry.conversation),
    ],
  });
  writeAddressBook(addressBookPath, [
    {
      firstName: OWNER.firstName,
      lastName: OWNER.lastName,
      phones: [OWNER.handle],
      emails: [OWNER.email],
      isMe: true,
    },
    ...content.people.filter((person) => person.firstName).map(({ firstName, lastName, handle }) => ({
      firstName,
      lastName,
      ...(handle.includes("@") ? { emails: [handle] } : { phones: [handle] }),
    })),
  ]);
  return {
    chatDbPath,
    addressBookPath,
    messages: counts.messages,
    conversations: counts.chats,
    realReplies: repliesByParticipants(content),
  };
}

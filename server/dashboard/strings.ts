/** Every English sentence of the page, in one place; those of the page of training are in a file beside this one. */
import type { Deletion } from "../../contract/conversations.ts";
import { MEANING_OF_CONFIDENCE, TRAINING_STRINGS } from "./training/strings.ts";

function countOf(count: number, name: string): string {
  return `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
}

export const STRINGS = {
  product: "Conversation Assistant",
  skip: "Skip to the content",
  signOut: "Sign out",
  navigation: "Pages",
  pages: {
    conversations: "Conversations",
    training: "Training",
    devices: "Devices",
    privacy: "Privacy",
    health: "Health",
  },
  loading: "Loading…",
  tryAgain: "Try again",
  unreachable: "The server cannot be reached. Check that it is running, then try again.",
  reconnecting: "The connection is lost; reconnecting…",
  unreadable: "The server answered with something this page cannot read. Reload the page.",
  signIn: {
    title: "Sign in",
    lead: "Your conversations stay on your own machines. This page talks to your server and to nothing else.",
    begin: "Sign in this browser",
    code: "Code of this browser",
    approve:
      "This server has an owner. Approve the code under Devices in a browser that is signed in, with the agent on a " +
      "paired Mac, or on the server's machine:",
    waits: "This page continues by itself once the code is approved.",
    setup: "Nobody owns this server yet. Enter the setup code that it printed at its start, and it is yours.",
    setupCode: "Setup code",
    claim: "Own this server",
    again: "Get a new code",
    ended: "This browser is not signed in any more: its access has ended or was revoked. Sign in again.",
  },
  restore: {
    title: "Restore a backup instead",
    hint:
      "Onto a server that nobody owns yet: all of the backup comes back, or nothing. Devices that it knows are signed in again.",
    file: "Backup file",
    key: "Secret key",
    keyHint: "Only for an encrypted backup: AGE-SECRET-KEY-1…",
    setupCodeHint:
      "Only from another machine, or where the server is on a network: it prints the code at its start.",
    adapters: "With the adapters that were trained",
    button: "Restore",
    progress: "Restoring",
    sent: (percent: number) => `${percent} % of the file is sent`,
    restoring: "The file is sent; the server checks and restores it.",
    done: (time: string, adapters: number, leftOut: number) =>
      `The backup of ${time} is restored, with ${countOf(adapters, "adapter")}` +
      `${
        leftOut > 0 ? `; ${leftOut} left out, which the model does not serve` : ""
      }. The server starts again; then sign in, ` +
      "approved by a device that the backup knows.",
  },
  welcome: {
    title: "Welcome",
    owned:
      "This server is yours. Three steps on the Mac whose Messages you want drafts for, and they are here.",
    pair: "1. Pair the Mac",
    access:
      "Give your terminal Full Disk Access (System Settings › Privacy & Security). Then, in the folder of the sources:",
    otherMachine:
      "If that Mac is another machine, start the server with SERVER_HOST=0.0.0.0 and open this page by the address of this " +
      "machine: the lines then name it.",
    brew: "With Homebrew instead",
    brewHint: "Once a release is in a tap; OWNER is who made it.",
    copy: "Copy",
    copied: "Copied",
    notCopied: "This browser does not let the page copy: mark the lines instead.",
    approve: "2. Approve the Mac",
    send: "3. Send your messages",
    sendHint: "Once the code is approved: the first line takes the pairing, the last keeps the Mac sending.",
    sync: "First sync",
    waits: "Nothing has arrived yet. What the Mac sends shows here at once.",
    arrived: (messages: number, lag: number) =>
      `${messages.toLocaleString("en")} messages are here; ${
        lag.toLocaleString("en")
      } rows still wait on the Mac.`,
    rate: (perSecond: number) => `${perSecond.toLocaleString("en")} messages a second`,
    allThere: (messages: number) =>
      `${messages.toLocaleString("en")} messages are here, and no row waits on the Mac.`,
    goOn: "Go to your conversations",
  },
  training: TRAINING_STRINGS,
  deleting: {
    delete: "Delete",
    keep: "Keep it",
    goes: (deletion: Deletion) => {
      const { messages, responses, samples, taintedAdapterIds, conversations = 0, contacts = 0 } = deletion;
      const adapters = taintedAdapterIds.length;
      const parts = [
        ...(conversations > 0 ? [countOf(conversations, "conversation")] : []),
        ...(messages > 0 ? [countOf(messages, "message")] : []),
        ...(responses > 0 ? [countOf(responses, "draft")] : []),
        ...(samples > 0 ? [countOf(samples, "training example")] : []),
        ...(contacts > 0 ? [countOf(contacts, "contact")] : []),
        ...(adapters > 0 ? [`every use of ${countOf(adapters, "adapter")} that learned from it`] : []),
      ];
      return parts.length === 0 ? "Nothing goes with it." : `This would go for good: ${parts.join(", ")}.`;
    },
  },
  policy: {
    drafts: "Drafts",
    modes: { off: "off", on_demand: "on demand", automatic: "automatic" },
    neverTrain: "Never learn from it",
    confirm: "Never learn from it",
    cancel: "Leave it as it is",
    isOff: "Drafts are off in this conversation.",
  },
  health: {
    title: "Health",
    model: "Model",
    states: { ready: "Ready", loading: "Loads the model", unavailable: "Away" },
    offlineSince: (time: string) => `It is away since ${time}. Drafts wait until it is back.`,
    serves: "Serves",
    runsOn: "Runs on",
    device: ({ device, gpuLayers }: { device: string; gpuLayers: number }) =>
      gpuLayers === 0 ? "CPU" : `GPU (${device}, ${gpuLayers} layers)`,
    waitsInModel: "Requests that wait in it",
    server: "Server",
    version: "Version",
    queued: "Drafts that wait",
    generating: "Drafts being written",
    trainings: "Trainings that wait or run",
    database: "Database",
    free: "Free on its disk",
    size: (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`,
    freeOf: (free: number, total: number) => `${(free / 1e9).toFixed(1)} of ${(total / 1e9).toFixed(1)} GB`,
    capture: "What arrived, by device",
    nothingSent: "No Mac has sent anything yet.",
    captureHint:
      "Each row of Messages that a Mac has read was stored here, refused, or set aside: a tapback, a note of the system, or from " +
      "before the date that it was to begin at. A gap is a row that is none of these.",
    complete: (rows: number) => `Nothing is missing: each of ${countOf(rows, "row")} is accounted for.`,
    arriving: (rows: number) => `Nothing is missing so far; ${countOf(rows, "row")} still to come.`,
    missing: (rows: number) =>
      `${
        countOf(rows, "row")
      } not accounted for yet. The Mac reads them again at its next full sync, within the hour.`,
    revoked: "Revoked",
    rowsRead: "Rows read",
    acknowledged: "of them stored",
    refused: "of them refused",
    setAside: "of them set aside",
    gaps: "Gaps",
    stored: "Messages new to the server",
    unchanged: "Sent again",
    lag: "Rows that wait on it",
    lastBatch: "Last messages",
    heartbeat: "Last heard from",
    never: "never",
  },
  privacy: {
    title: "Privacy",
    leaves: "What leaves your machines",
    nothing:
      "Nothing. Messages go from your Mac to this server, drafts and training happen here, and this page loads nothing from " +
      "elsewhere.",
    exportSamples: "Download all training examples",
    everything: "Everything",
    exportAll: "Download all that is stored of you",
    deleteAll: "Delete everything",
    allGoes:
      "All messages, people, drafts, examples and adapters go, and every device is signed out. Messages on your Mac stay.",
    typeName: "To go on, type the name of this device:",
    deviceName: "Name of this device",
    confirmAll: "Delete everything now",
    neverTrained: "Never learned from",
    neverTrainedHint: "They make no training examples, and no example in a draft to somebody else.",
    noneNeverTrained: "Each conversation may be learned from. At its head you can say that it never is.",
    train: "Learn from it again",
    isTrained: "It may be learned from again.",
    findMessage: "To delete a single message, search for its words under Conversations and open it.",
    conversations: "Delete a conversation",
    conversationsHint:
      "Deleting here leaves Messages on your Mac as it is; what was deleted is not stored again when the Mac sends it again.",
    confirm: "Delete all of it",
    person: "Delete a person",
    personHint:
      "All their addresses go, the conversations with nobody else, and what they wrote and reacted with in groups. New messages " +
      "of theirs are stored again.",
    address: "Phone number, e-mail address or Apple ID",
    deletePerson: "Delete this person",
    confirmPerson: "Delete them for good",
    gone: ({ messages, responses, samples, taintedAdapterIds, conversations, contacts }: Deletion) =>
      `Deleted: ${messages} messages, ${responses} drafts, ${samples} examples` +
      (conversations === undefined ? "" : `, ${conversations} conversations, ${contacts} contacts`) +
      `; ${taintedAdapterIds.length} adapters are used no more.`,
  },
  devices: {
    title: "Devices",
    lead: "Everything that may read or send in your account. Revoking one shuts it out at once.",
    pairMac: "How to pair a Mac with this server",
    approve: "Let a device in",
    approveHint:
      "A Mac or a browser that wants in shows a code of six digits. Approve only a code that you see yourself.",
    code: "Code",
    codeHint: "Six digits",
    approveButton: "Approve",
    approved: (name: string) => `“${name}” is approved: it continues on its side.`,
    own: "This browser acts as it",
    platforms: { macos: "macOS", ios: "iOS", linux: "Linux", windows: "Windows", web: "Web", other: "Other" },
    scopes: { full: "reads and sends", sync: "only sends messages" },
    pending: "Approved, not continued yet",
    neverSeen: "Never seen",
    seen: (time: string) => `Last seen ${time}`,
    revokedOn: (day: string) => `Revoked ${day}`,
    revoked: (count: number) => count === 1 ? "1 revoked device" : `${count} revoked devices`,
    rename: "Rename",
    name: "Name",
    save: "Save the name",
    keep: "Keep as it is",
    revoke: "Revoke",
    revokeHint: "It is shut out at once. What it sent stays.",
    revokeOwnHint: "This browser acts as this device and is signed out, too.",
    confirmRevoke: "Revoke it",
  },
  conversations: {
    title: "Conversations",
    none: "No conversations yet",
    noneHint: "They appear here once the agent on your Mac has sent its first messages.",
    setUp: "Set up your Mac",
    choose: "Choose a conversation",
    chooseHint: "Read it here, and have a reply drafted in your own words.",
    unknown: "Unknown sender",
    messages: (count: number) => count === 1 ? "1 message" : `${count.toLocaleString("en")} messages`,
    own: (text: string) => `You: ${text}`,
    waiting: "Waits for your answer",
    back: "All conversations",
    loading: "Loading…",
  },
  search: {
    label: "Search all messages",
    hint: "Search messages",
    button: "Search",
    results: "Messages found",
    none: "No message has all of these words.",
    searchedNewest: (messages: number) =>
      `Only the newest ${messages.toLocaleString("en")} messages were looked through.`,
    you: "You",
  },
  thread: {
    history: "Messages",
    start: "This is where the conversation begins",
    empty: "There are no messages in this conversation.",
    unsent: "Message unsent",
    edited: "Edited",
    failed: "Not delivered",
    attachment: "Attachment",
    you: "You",
    delete: "Delete this message",
    confirmDelete: "Delete it for good",
    deleted: "The message is deleted. What still stands here is gone once the conversation is opened again.",
    toNewest: "Go to the newest messages, to draft a reply",
  },
  draft: {
    title: "Draft",
    nothing: "Nothing waits for an answer here.",
    begin: "Draft a reply",
    beginHint: "Press D",
    several: (count: number) => `Draft ${count} to choose from`,
    severalHint: "Press C",
    choose: (count: number) => `${count} drafts, the likeliest first`,
    outdated: "The conversation has gone on since this draft.",
    leave: "Leave this draft",
    writing: "Writing a reply…",
    cancel: "Cancel",
    text: "Reply",
    accept: "Accept",
    saveEdit: "Accept my edit",
    reject: "Reject",
    reason: "What is wrong with it? (optional)",
    confirmReject: "Reject it",
    keep: "Keep it",
    again: "Draft another",
    accepted: "Accepted. It is a training example now; nothing was sent.",
    edited: "Your edit is a training example now; nothing was sent.",
    rejected: "Rejected. The model learns from that, too.",
    confidence: (percent: number) => `Confidence ${percent} %`,
    why: "How it came to be",
    meaningOfConfidence: MEANING_OF_CONFIDENCE,
    sureness: (percent: number) => `The model was ${percent} % sure of its own words`,
    notSuggested: {
      code: "Not suggested: the message asks for a code.",
      opinion: "Not suggested: the message asks for your opinion.",
      commitment: "Not suggested: the message asks you to commit to something.",
      fact: "Not suggested: the message asks for a fact that only you know.",
      unsure: "Not suggested: you are less likely to send it than most drafts.",
    },
    unsupported: "Check before you use it; nothing that the model saw says this:",
    byAdapter: (name: string) => `Written with what was learned from you: ${name}`,
    byTexting: (name: string) =>
      `Written with the adapter of many people's texting that is shipped, nothing of yours in it: ${name}`,
    byBase: (name: string) => `Written by the base model: ${name}`,
    examples: (count: number) =>
      count === 0
        ? "No earlier reply of yours was shown to the model as an example"
        : `${count} earlier ${count === 1 ? "reply" : "replies"} of yours shown to the model as examples`,
    tokens: (count: number) => count === 1 ? "1 token long" : `${count} tokens long`,
    read: (tokens: number, known: number, duration: string) =>
      `Read ${tokens} tokens in ${duration}` + (known > 0 ? `, ${known} of them known from before` : ""),
    wrote: (duration: string, rate: number) => `Wrote in ${duration}, ${rate.toFixed(1)} tokens a second`,
    waited: (duration: string) => `Waited ${duration} for its turn`,
    keys: (several: number) =>
      `Keys: A accepts, E edits, R rejects, D drafts another, C drafts ${several}. In the text, Ctrl or ⌘ with Enter accepts, ` +
      "Esc leaves it.",
    numberKeys: (count: number) => `1 to ${count} choose a draft.`,
    failed: "No reply could be drafted.",
  },
} as const;

/** Owns the names in the notes that apps such as Fitness leave in a conversation: Messages stores marks in their place. */

const SENDER = "$(kIMTranscriptPluginBreadcrumbTextSenderIdentifier)";
const RECEIVER = "$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier)";

/** The text with handles in place of the marks; a mark whose handle is not known goes. */
export function breadcrumbText(
  text: string,
  { sender, receiver }: { sender: string | null; receiver: string | null },
): string {
  return text.replaceAll(SENDER, sender ?? "").replaceAll(RECEIVER, receiver ?? "").trim();
}

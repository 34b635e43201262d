/** What the person does with a suggestion: recorded by the server, which learns from it, and sent on request. */
import type { ResponseActionRequest } from "../../contract/responses.ts";
import { RemoteError } from "../../lib/http/client.ts";
import { UserError } from "../../lib/errors.ts";
import type { DraftClient } from "../clients/draft_client.ts";
import type { SendOutcome } from "./send/delivery_status.ts";
import { type SendDependencies, sendReply } from "./send/send_reply.ts";
import type { ShownSuggestion } from "../state/stored_values.ts";

/** What was recorded, and the outcome of the sending if there was one. */
export interface ActionResult {
  /** The final text: the draft's, or the person's own. null for a rejection. */
  readonly text: string | null;
  /** True when the action made a training sample. */
  readonly taught: boolean;
  readonly sending: SendOutcome | null;
}

export interface ActionOptions {
  action: ResponseActionRequest;
  client: DraftClient;
  /** Sends what is accepted or edited; absent: nothing is sent. */
  send?: SendDependencies;
}

function actionFault(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error;
  if (error.body.code === "conflict") {
    return new UserError("This draft was acted on before, in another way", {
      fix: "Run `agent suggest` for a new one",
      cause: error,
    });
  }
  if (error.body.code !== "not_found") return error;
  return new UserError("The server no longer has this draft", {
    fix: "Run `agent suggest` for a new one",
    cause: error,
  });
}

async function record(
  client: DraftClient,
  { responseId, action }: { responseId: string; action: ResponseActionRequest },
): Promise<boolean> {
  try {
    return (await client.act(responseId, action)).trainingSampleId !== null;
  } catch (error) {
    throw actionFault(error);
  }
}

async function wordsOf(
  client: DraftClient,
  { responseId, action }: { responseId: string; action: ResponseActionRequest },
): Promise<string> {
  if (action.action === "edit") return action.editedResponse;
  try {
    return (await client.draft(responseId)).response?.trim() ?? "";
  } catch (error) {
    throw actionFault(error);
  }
}

/**
 * Records an action, and sends the words when asked to. The same again changes nothing and sends nothing twice.
 *
 * @throws UserError with a sentence for the person, and what `DraftClient` and `sendReply` throw
 */
export async function actOnSuggestion(
  { responseId, messageGuid }: Pick<ShownSuggestion, "responseId" | "messageGuid">,
  { action, client, send }: ActionOptions,
): Promise<ActionResult> {
  if (action.action === "reject") {
    return { text: null, taught: await record(client, { responseId, action }), sending: null };
  }
  const text = await wordsOf(client, { responseId, action });
  let taught = false;
  const approve = async () => {
    taught = await record(client, { responseId, action });
  };
  if (send === undefined) {
    await approve();
    return { text, taught, sending: null };
  }
  if (text.trim() === "") throw new UserError("There is nothing to send: the draft has no words");
  const sending = await sendReply(send, { responseId, messageGuid, text, approve });
  return { text, taught, sending };
}

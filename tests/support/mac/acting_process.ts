/** Acts on a suggestion in a process of its own, which stops at one of its steps so that a test can kill it there. */
import { fileURLToPath } from "node:url";
import { createDraftClient, type DraftClient } from "../../../agent/clients/draft_client.ts";
import { actOnSuggestion } from "../../../agent/suggest/suggestion_action.ts";
import type { ShownSuggestion } from "../../../agent/state/stored_values.ts";
import type { MessagesApp } from "../../../agent/platform/messages_app.ts";
import { sendDependencies, type SendingPlaces } from "./send_reply_process.ts";

/** In the order in which they come. `submitting` is left to the osascript of `fake_osascript.ts` that hangs. */
export const STEPS = ["before_report", "after_report", "intended", "submitting", "submitted"] as const;
export type Step = typeof STEPS[number];

export interface ActingRequest {
  places: SendingPlaces;
  server: { baseUrl: string; token: string };
  shown: ShownSuggestion;
  stopAt: Step;
  /** Port of a listener that is notified when the step is reached. */
  reportTo: number;
}

const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

/** Starts the process and kills it without mercy when it is at its step. */
export async function killWhileActing(request: Omit<ActingRequest, "reportTo">, listener: Deno.TcpListener) {
  const { port } = listener.addr;
  const agent = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check", "--quiet", "--config", CONFIG, fileURLToPath(import.meta.url)],
      JSON.stringify({ ...request, reportTo: port } satisfies ActingRequest),
    ],
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  using _reached = await listener.accept();
  agent.kill("SIGKILL");
  await agent.status;
}

async function waitToBeKilled(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.read(new Uint8Array(1));
}

function stopping(
  request: ActingRequest,
): { client: DraftClient; messages: (app: MessagesApp) => MessagesApp } {
  const { stopAt, reportTo, server } = request;
  const at = async (step: Step) => stopAt === step ? await waitToBeKilled(reportTo) : undefined;
  const client = createDraftClient({ ...server, retries: 0, timeoutMs: 10_000 });
  return {
    client: {
      ...client,
      async act(responseId, action) {
        await at("before_report");
        const recorded = await client.act(responseId, action);
        await at("after_report");
        return recorded;
      },
    },
    messages: (app) => ({
      ...app,
      async send(message) {
        await at("intended");
        const result = await app.send(message);
        await at("submitted");
        return result;
      },
    }),
  };
}

if (import.meta.main) {
  const request: ActingRequest = JSON.parse(Deno.args[0] ?? "");
  const { client, messages } = stopping(request);
  const send = sendDependencies(request.places);
  await actOnSuggestion(request.shown, {
    action: { action: "accept" },
    client,
    send: { ...send, messages: messages(send.messages) },
  });
}

/** Tests the spans that server and ml send to a collector of OpenTelemetry, as running processes, and what they hold. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { messageListSchema } from "../contract/conversations.ts";
import { pathOf, SERVER_PATHS } from "../contract/paths.ts";
import { generatedResponseSchema } from "../contract/responses.ts";
import { syncMessagesResponseSchema } from "../contract/sync.ts";
import { type Client, createClient } from "../lib/http/client.ts";
import { pairDevice } from "./support/server/owner_client.ts";
import { startServices } from "./support/server/running_services.ts";
import { syncBatch, syncMessage } from "./support/server/sync_batches.ts";

const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string(),
  name: z.string(),
  attributes: z.array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) })),
});
type Span = z.infer<typeof spanSchema> & { readonly service: string };

/** A request of OTLP/HTTP with spans: https://opentelemetry.io/docs/specs/otlp/ */
const exportSchema = z.object({
  resourceSpans: z.array(z.object({
    resource: z.object({
      attributes: z.array(z.object({ key: z.string(), value: z.object({ stringValue: z.string() }) })),
    }),
    scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
  })),
});

function spansOf(body: string): Span[] {
  return exportSchema.parse(JSON.parse(body)).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === "service.name")?.value.stringValue ?? "";
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })));
  });
}

/** Receives what services export. */
class Collector implements AsyncDisposable {
  readonly spans: Span[] = [];
  /** All that came, spans or not. */
  received = "";
  #more = Promise.withResolvers<void>();
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body = await request.text();
    this.received += body;
    if (new URL(request.url).pathname === "/v1/traces") this.spans.push(...spansOf(body));
    this.#more.resolve();
    return Response.json({});
  });

  /** What makes Deno send its spans here soon after they end. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_METRIC_EXPORT_INTERVAL: "1000",
    };
  }

  /** Resolves once a trace has come whose spans, each called `service name`, lead to one another in this way. */
  async waitFor(path: readonly string[]): Promise<void> {
    while (!this.spans.some((span) => isDeepStrictEqual(this.#pathTo(span), path))) {
      await this.#more.promise;
      this.#more = Promise.withResolvers();
    }
  }

  /** The spans from the outermost of its trace to this one. */
  #pathTo({ service, name, traceId, parentSpanId }: Span): string[] {
    const parent = this.spans.find((span) => span.spanId === parentSpanId && span.traceId === traceId);
    return [...parent ? this.#pathTo(parent) : [], `${service} ${name}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** What must not leave the services: the words, name and number of the batch that is synced. */
const PRIVATE = ["Are the zebrafish fed?", "zebrafish", "Johanna Quillfeather", "15550187"] as const;

async function syncPrivateMessage(client: Client): Promise<string> {
  const [text, , conversationDisplayName, number] = PRIVATE;
  const handle = `+${number}`;
  const body = syncBatch([syncMessage({ senderId: handle, text })], {
    conversationImessageId: `iMessage;-;${handle}`,
    conversationDisplayName,
    participantIds: [handle],
  });
  const { conversationId } = await client.request("POST", SERVER_PATHS.syncMessages, {
    body,
    schema: syncMessagesResponseSchema,
  });
  const path = pathOf(SERVER_PATHS.conversationMessages, { id: conversationId });
  const { messages: [message] } = await client.request("GET", path, { schema: messageListSchema });
  return message?.id ?? "";
}

/** The names of each step on the way to a span, the outermost first. */
const DRAFT = [
  "server POST /api/responses/generate",
  "server ml.generate",
  "server POST",
  "ml POST /generate",
];
const STORED = ["server POST /api/responses/generate", "server store.responses.create"];
const BACKGROUND = ["server job.draft", ...DRAFT.slice(1)];

Deno.test("a collector sees each draft as one trace through server and ml, and nothing private", async () => {
  await using collector = new Collector();
  await using services = await startServices({ env: collector.env });
  const token = await pairDevice(services.server.url);
  const client = createClient({ baseUrl: services.server.url, token: () => token });
  const messageId = await syncPrivateMessage(client);
  const draft = (options: { async: boolean }) =>
    client.request("POST", SERVER_PATHS.generateResponse, {
      body: { messageId, ...options, context: { maxTokens: 8 } },
      schema: generatedResponseSchema,
      timeoutMs: 120_000,
    });
  await draft({ async: false });
  const { responseId } = await draft({ async: true });
  for (const path of [DRAFT, STORED, BACKGROUND]) await collector.waitFor(path);

  await collector.waitFor(["server GET /api/conversations/:id/messages"]);
  const job = collector.spans.find(({ name }) => name === "job.draft");
  const jobId = job?.attributes.find(({ key }) => key === "job.id")?.value.stringValue;
  assert.equal(jobId, responseId);
  for (const secret of [...PRIVATE, token]) {
    assert.ok(!collector.received.includes(secret), "private text was exported");
  }
});

/** Tests the remote engine against a local server that speaks the real wire format. */
import assert from "node:assert/strict";
import type { ErrorCode } from "../../../contract/errors.ts";
import { ApiError } from "../../../lib/errors.ts";
import type { GenerationRequest } from "../engine.ts";
import { createOpenAiEngine, type RemoteEngine } from "./openai.ts";

interface Seen {
  path: string;
  authorization: string | null;
  body: Record<string, unknown>;
}

type Handler = (seen: Seen, request: Request) => Response | Promise<Response>;

const MODELS = { object: "list", data: [{ id: "first-model" }, { id: "second-model" }] };

async function withRemote(
  handler: Handler,
  use: (engine: RemoteEngine, seen: Seen[]) => Promise<void>,
): Promise<void> {
  const seen: Seen[] = [];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname;
    if (path === "/v1/models") return Response.json(MODELS);
    const authorization = request.headers.get("authorization");
    const entry = { path, authorization, body: await request.json() };
    seen.push(entry);
    return await handler(entry, request);
  });
  await using engine = createOpenAiEngine({
    url: `http://127.0.0.1:${server.addr.port}`,
    token: "t0ken",
    capacity: 2,
    queueLimit: 2,
  });
  await engine.load({ id: "first-model", path: "" });
  await use(engine, seen);
}

function request(options: Partial<GenerationRequest> = {}): GenerationRequest {
  return {
    prompt: "System: You are Sam.\nThem: hi\nThem: free tonight?\nMe: maybe\nThem: so?\nMe:",
    maxTokens: 20,
    temperature: 0.7,
    topP: 0.9,
    repeatPenalty: 1.1,
    stop: ["\nThem:", "\nMe:"],
    seed: 5,
    ...options,
  };
}

/** A streamed answer of server-sent events, cut into network pieces at odd places. */
function events(...chunks: unknown[]): Response {
  const lines = chunks.map((chunk) =>
    `data: ${typeof chunk === "string" ? chunk : JSON.stringify(chunk)}\n\n`
  );
  const bytes = new TextEncoder().encode(lines.join(""));
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += 37) pieces.push(bytes.subarray(at, at + 37));
  return new Response(ReadableStream.from(pieces), { headers: { "content-type": "text/event-stream" } });
}

function chatPiece(content: string, probability?: number): unknown {
  const logprobs = probability &&
    { content: [{ token: content, logprob: Math.log(probability), top_logprobs: [] }] };
  return {
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta: { content }, logprobs, finish_reason: null }],
  };
}

const ROLE = { choices: [{ index: 0, delta: { role: "assistant", content: null }, finish_reason: null }] };

function ending(reason: string): unknown {
  return { choices: [{ index: 0, delta: {}, finish_reason: reason }] };
}

const USAGE = {
  choices: [],
  usage: { prompt_tokens: 31, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 16 } },
};

Deno.test("a transcript goes out as a chat, and the streamed reply comes back with its confidence", async () => {
  const answer = () =>
    events(
      ROLE,
      chatPiece(" sure", 0.5),
      chatPiece(" 😀", 0.8),
      chatPiece("!", 0.4),
      ending("stop"),
      USAGE,
      "[DONE]",
    );
  await withRemote(answer, async (engine, seen) => {
    const pieces: string[] = [];
    const reply = await engine.generate(request(), { onToken: (piece) => pieces.push(piece) });
    assert.equal(reply.text, "sure 😀!");
    assert.equal(pieces.join(""), reply.text);
    assert.ok(Math.abs(reply.confidence - (0.5 * 0.8 * 0.4) ** (1 / 3)) < 1e-9);
    assert.deepEqual([reply.modelId, reply.tokensUsed, reply.finishReason], ["first-model", 3, "stop"]);
    assert.deepEqual([reply.timings.prompt_tokens, reply.timings.cached_tokens], [31, 16]);

    const [{ path, authorization, body } = { path: "", authorization: "", body: {} }] = seen;
    assert.deepEqual([path, authorization], ["/v1/chat/completions", "Bearer t0ken"]);
    assert.deepEqual(body.messages, [
      { role: "system", content: "You are Sam." },
      { role: "user", content: "hi\nfree tonight?" },
      { role: "assistant", content: "maybe" },
      { role: "user", content: "so?" },
    ]);
    const { model, max_tokens, temperature, top_p, seed, stream, logprobs, repeat_penalty } = body;
    assert.deepEqual(
      { model, max_tokens, temperature, top_p, seed, stream, logprobs, repeat_penalty },
      {
        model: "first-model",
        max_tokens: 20,
        temperature: 0.7,
        top_p: 0.9,
        seed: 5,
        stream: true,
        logprobs: true,
        repeat_penalty: 1.1,
      },
    );
  });
});

Deno.test("a text that is no transcript goes out as it is", async () => {
  const piece = (text: string, probability: number) => ({
    choices: [{
      text,
      logprobs: { tokens: [text], token_logprobs: [Math.log(probability)] },
      finish_reason: null,
    }],
  });
  await withRemote(() => events(piece(" a", 0.25), piece(" time", 1), "[DONE]"), async (engine, seen) => {
    const reply = await engine.generate(request({ prompt: "Once upon", raw: true }));
    assert.equal(reply.text, "a time");
    assert.ok(Math.abs(reply.confidence - 0.5) < 1e-9);
    assert.equal(seen[0]?.path, "/v1/completions");
    assert.equal(seen[0]?.body.prompt, "Once upon");
  });
});

Deno.test("stop sequences are checked here too, and end the request to the server", async () => {
  const gone = Promise.withResolvers<void>();
  const endless = () => {
    const encoder = new TextEncoder();
    const pieces = ["ok", "\n", "Them", ": hi"].map((text) =>
      `data: ${JSON.stringify(chatPiece(text, 0.5))}\n\n`
    );
    return new Response(
      new ReadableStream({
        start: (controller) => pieces.forEach((piece) => controller.enqueue(encoder.encode(piece))),
        cancel: () => gone.resolve(),
      }),
    );
  };
  await withRemote(endless, async (engine) => {
    const reply = await engine.generate(request());
    assert.deepEqual([reply.text, reply.finishReason], ["ok", "stop"]);
    assert.ok(Math.abs(reply.confidence - 0.5) < 1e-9);
    await gone.promise;
  });
});

Deno.test("without log-probabilities the confidence is 0, and a cut reply says so", async () => {
  await withRemote(
    () => events(chatPiece("so"), chatPiece(" long"), ending("length"), "[DONE]"),
    async (engine) => {
      const reply = await engine.generate(request({ maxTokens: 2 }));
      assert.deepEqual([reply.confidence, reply.finishReason, reply.tokensUsed], [0, "length", 2]);
    },
  );
});

const REFUSALS: [number, ErrorCode][] = [
  [400, "validation_failed"],
  [404, "model_not_loaded"],
  [429, "queue_full"],
  [503, "queue_full"],
  [401, "ml_unavailable"],
  [500, "ml_unavailable"],
];
for (const [status, code] of REFUSALS) {
  Deno.test(`a refusal with status ${status} is the error ${code}, without the server's words`, async () => {
    await withRemote(() => new Response("your prompt was: secret", { status }), async (engine) => {
      await assert.rejects(engine.generate(request()), (error: unknown) => {
        assert.ok(error instanceof ApiError);
        assert.equal(error.code, code);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
      assert.equal(engine.occupancy.running, 0);
    });
  });
}

Deno.test("an answer that breaks off or is no stream of the format is an error", async () => {
  const broken = () => events(chatPiece("so"), "{ this is no JSON");
  await withRemote(broken, async (engine) => {
    await assert.rejects(engine.generate(request()), /broke off or has an unknown shape/);
  });
});

Deno.test("an abort ends the request to the server", async () => {
  const gone = Promise.withResolvers<void>();
  const stalling = () =>
    new Response(
      new ReadableStream({
        start: (controller) =>
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(chatPiece("one"))}\n\n`)),
        cancel: () => gone.resolve(),
      }),
    );
  await withRemote(stalling, async (engine) => {
    const leaving = new AbortController();
    const reason = new Error("the client went away");
    const onToken = () => leaving.abort(reason);
    await assert.rejects(engine.generate(request(), { signal: leaving.signal, onToken }), reason);
    assert.equal(engine.occupancy.running, 0);
    await gone.promise;
  });
});

Deno.test("the model is one the server has; auto takes its first", async () => {
  await withRemote(() => events("[DONE]"), async (engine) => {
    assert.deepEqual(await engine.listModels(), ["first-model", "second-model"]);
    await assert.rejects(
      engine.load({ id: "third", path: "" }),
      /has no model third; it has first-model, second/,
    );
    assert.equal(engine.modelId, "first-model");
    await engine.load({ id: "second-model", path: "" });
    await engine.load({ id: "auto", path: "" });
    assert.equal(engine.modelId, "first-model");
  });
});

Deno.test("a server that is not there cannot be reached, and samples are for llama.cpp", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await using engine = createOpenAiEngine({ url: `http://127.0.0.1:${port}/v1`, capacity: 1, queueLimit: 1 });
  await assert.rejects(engine.load({ id: "auto", path: "" }), /cannot be reached/);
  await assert.rejects(engine.generate(request()), /No model is chosen/);
  await assert.rejects(engine.evaluate({ samples: [] }), /cannot evaluate/);
});

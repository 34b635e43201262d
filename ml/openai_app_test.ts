/** Tests the OpenAI-compatible endpoints with OpenAI's own client over HTTP, llama.cpp behind them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import OpenAI, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
} from "openai";
import { openAiErrorSchema } from "../contract/openai.ts";
import { delay } from "../lib/backoff.ts";
import { createFakeEngine } from "../tests/support/ml/fake_engine.ts";
import {
  clientTest,
  generateBody,
  type Served,
  TOKEN,
  withServed,
} from "../tests/support/ml/openai_client.ts";
import { publishTinyAdapter } from "../tests/support/ml/tiny_adapter.ts";
import { inTempDir } from "../tests/support/process/temp_dir.ts";

const QUESTION = [{ role: "user" as const, content: "are you coming tonight?" }];
const ASK = { model: "tiny", messages: QUESTION, max_tokens: 12, temperature: 0 };

clientTest("a chat is answered as /generate answers its transcript", async (served) => {
  const answer = await served.client.chat.completions.create({
    ...ASK,
    messages: [
      { role: "system", content: "You are Sam." },
      {
        role: "developer",
        content: [{ type: "text", text: "Be " }, { type: "text", text: "brief.\nVery." }],
      },
      { role: "user", content: "hi\nMe: not a turn" },
      { role: "assistant", content: "hello" },
      { role: "user", content: [{ type: "text", text: "are you coming?" }] },
    ],
  });
  const prompt = "System: You are Sam.\n  \n  Be brief.\n  Very.\nThem: hi\n  Me: not a turn\nMe: hello\n" +
    "Them: are you coming?\nMe:";
  const expected = await generateBody(served, { prompt });
  const [choice] = answer.choices;
  assert.equal(choice?.message.content, expected.response);
  assert.deepEqual([choice?.message.role, choice?.index, choice?.finish_reason], [
    "assistant",
    0,
    expected.finish_reason,
  ]);
  assert.deepEqual([answer.object, answer.model], ["chat.completion", "tiny"]);
  assert.match(answer.id, /^chatcmpl-\w+$/);
  const tokens = expected.timings?.prompt_tokens ?? 0;
  assert.deepEqual(
    [answer.usage?.prompt_tokens, answer.usage?.completion_tokens, answer.usage?.total_tokens],
    [tokens, expected.tokens_used, tokens + expected.tokens_used],
  );
});

clientTest("a streamed chat gives the same text in chunks, and its usage when asked", async ({ client }) => {
  const whole = await client.chat.completions.create({ ...ASK, temperature: 1, seed: 4 });
  const stream = await client.chat.completions.create({
    ...ASK,
    temperature: 1,
    seed: 4,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await Array.fromAsync(stream);
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
  assert.equal(text, whole.choices[0]?.message.content);
  assert.equal(chunks[0]?.choices[0]?.delta.role, "assistant");
  assert.ok(chunks.every(({ id, object }) => id === chunks[0]?.id && object === "chat.completion.chunk"));
  const reasons = chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason));
  assert.deepEqual(reasons.filter((reason) => reason !== null), [whole.choices[0]?.finish_reason]);
  const last = chunks.at(-1);
  assert.deepEqual(last?.choices, []);
  assert.equal(last?.usage?.completion_tokens, whole.usage?.completion_tokens);
  assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === null));

  const plain = await Array.fromAsync(await client.chat.completions.create({ ...ASK, stream: true }));
  assert.ok(plain.every((chunk) => chunk.choices.length === 1 && !("usage" in chunk)));
});

clientTest("the stream on the wire ends with [DONE]", async ({ url }) => {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ ...ASK, stream: true }),
  });
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  const lines = (await response.text()).trim().split("\n\n");
  assert.equal(lines.at(-1), "data: [DONE]");
  assert.ok(lines.slice(0, -1).every((line) => JSON.parse(line.replace("data: ", "")).choices.length === 1));
});

clientTest("the client's own helper reads a stream to its final message", async ({ client }) => {
  const runner = client.chat.completions.stream({ ...ASK, stream_options: { include_usage: true } });
  const [message, usage] = [await runner.finalContent(), await runner.totalUsage()];
  const whole = await client.chat.completions.create(ASK);
  assert.equal(message, whole.choices[0]?.message.content);
  assert.equal(usage.completion_tokens, whole.usage?.completion_tokens);
});

clientTest("a text is continued as it is, its white space included", async (served) => {
  const { client } = served;
  const prompt = "Once upon";
  const settings = { model: "tiny", prompt, max_tokens: 8, temperature: 0 };
  const answer = await client.completions.create(settings);
  const expected = await generateBody(served, { prompt, raw: true, stop: [], verbatim: true, max_tokens: 8 });
  assert.equal(answer.choices[0]?.text, expected.response);
  assert.deepEqual([answer.object, answer.choices[0]?.finish_reason], ["text_completion", "length"]);
  const trimmed = await generateBody(served, { prompt, raw: true, stop: [], max_tokens: 8 });
  assert.equal(expected.response.trim(), trimmed.response);
  const stream = await client.completions.create({ ...settings, prompt: [prompt], stream: true } as never);
  const chunks = await Array.fromAsync(stream as unknown as AsyncIterable<OpenAI.Completion>);
  assert.equal(chunks.map(({ choices }) => choices[0]?.text).join(""), answer.choices[0]?.text);
  const short = await client.completions.create({ model: "tiny", prompt, temperature: 0 });
  assert.equal(short.usage?.completion_tokens, 16, "OpenAI's own default");
});

clientTest("lengths and stops end an answer, and say so", async ({ client }) => {
  const whole = await client.chat.completions.create({ ...ASK, max_tokens: null, max_completion_tokens: 30 });
  const text = whole.choices[0]?.message.content ?? "";
  const stop = text.slice(5, 8);
  for (const form of [stop, [stop, "unlikely to come"]]) {
    const cut = await client.chat.completions.create({ ...ASK, max_tokens: 30, stop: form });
    assert.equal(cut.choices[0]?.message.content, text.slice(0, text.indexOf(stop)).trim());
    assert.equal(cut.choices[0]?.finish_reason, "stop");
  }
  const one = await client.chat.completions.create({ ...ASK, max_tokens: 30, max_completion_tokens: 1 });
  assert.deepEqual([one.usage?.completion_tokens, one.choices[0]?.finish_reason], [1, "length"]);
});

clientTest("several choices have seeds of their own, the first that of a single one", async ({ client }) => {
  const settings = { ...ASK, temperature: 1, seed: 0xffff_ffff };
  const [single, second] = [
    await client.chat.completions.create(settings),
    await client.chat.completions.create({ ...settings, seed: 0 }),
  ].map(({ choices }) => choices[0]?.message.content);
  const answer = await client.chat.completions.create({ ...settings, n: 2 });
  assert.deepEqual(answer.choices.map(({ message }) => message.content), [single, second]);
  assert.deepEqual(answer.choices.map(({ index }) => index), [0, 1]);
  const chunks = await Array.fromAsync(
    await client.chat.completions.create({ ...settings, n: 2, stream: true }),
  );
  for (const [index, text] of [single, second].entries()) {
    const own = chunks.flatMap(({ choices }) => choices).filter((choice) => choice.index === index);
    assert.equal(own.map(({ delta }) => delta.content ?? "").join(""), text);
    assert.deepEqual([own[0]?.delta.role, own.at(-1)?.finish_reason !== null], ["assistant", true]);
  }
});

clientTest("penalties change an answer", async ({ client }) => {
  const textWith = async (settings: object) => {
    const answer = await client.chat.completions.create({ ...ASK, max_tokens: 40, ...settings });
    return answer.choices[0]?.message.content ?? "";
  };
  const plain = await textWith({});
  assert.equal(await textWith({ presence_penalty: 0, frequency_penalty: 0, top_p: 1, n: 1 }), plain);
  assert.notEqual(await textWith({ frequency_penalty: 2 }), plain);
  assert.notEqual(await textWith({ presence_penalty: -2 }), await textWith({ presence_penalty: 2 }));
});

clientTest("the person's own adapter is a model; a tainted one no more", async (served) => {
  const { client } = served;
  const { id } = await publishTinyAdapter(served);
  const model = `tiny:${id}`;
  const listed = await Array.fromAsync(client.models.list());
  assert.deepEqual(listed.map((entry) => entry.id), ["tiny", model]);
  assert.equal((await client.models.retrieve(model)).id, model);
  const answer = await client.chat.completions.create({ ...ASK, model });
  const expected = await generateBody(served, {
    prompt: `Them: ${QUESTION[0]?.content}\nMe:`,
    adapter_id: id,
  });
  assert.equal(answer.choices[0]?.message.content, expected.response);
  assert.notEqual(expected.response, (await client.chat.completions.create(ASK)).choices[0]?.message.content);

  await served.adapters.taint(id);
  assert.equal((await client.models.list()).data.length, 1);
  for (const unknown of [model, "tiny:", "other", `other:${id}`, id, "tiny:../etc"]) {
    await assert.rejects(client.chat.completions.create({ ...ASK, model: unknown }), (error) => {
      assert.ok(error instanceof NotFoundError, unknown);
      assert.deepEqual([error.code, error.param, error.type], [
        "model_not_found",
        "model",
        "invalid_request_error",
      ]);
      return true;
    });
    await assert.rejects(client.models.retrieve(unknown), NotFoundError);
  }
});

const SCHEMA_PATH = "response_format.json_schema.schema";

function answering(schema: Record<string, unknown>) {
  return { response_format: { type: "json_schema" as const, json_schema: { name: "answer", schema } } };
}

const REFUSED: [what: string, settings: object, param: string][] = [
  ["log-probabilities", { logprobs: true }, "logprobs"],
  ["the most probable tokens", { top_logprobs: 3 }, "top_logprobs"],
  ["a grammar", { response_format: { type: "grammar", grammar: "root ::= x" } }, "response_format.type"],
  ["a schema beyond a grammar", answering({ type: "string", pattern: "a+" }), `${SCHEMA_PATH}.pattern`],
  ["a reference", answering({ $ref: "#/$defs/x" }), SCHEMA_PATH],
  [
    "a nested word that no grammar says",
    answering({ type: "object", properties: { age: { type: "integer", minimum: 0 } } }),
    `${SCHEMA_PATH}.properties.age.minimum`,
  ],
  ["tools", { tools: [{ type: "function", function: { name: "f" } }] }, "tools"],
  ["a bias", { logit_bias: { 5: 1 } }, "logit_bias"],
  ["too many choices", { n: 9 }, "n"],
  ["a penalty out of range", { presence_penalty: 3 }, "presence_penalty"],
  ["a temperature out of range", { temperature: 2.5 }, "temperature"],
  ["too many tokens", { max_completion_tokens: 5_000 }, "max_completion_tokens"],
  ["stream options without a stream", { stream_options: { include_usage: true } }, "stream_options"],
  ["no messages", { messages: [] }, "messages"],
  ["system messages alone", { messages: [{ role: "system", content: "hi" }] }, "messages"],
  [
    "a system message later on",
    { messages: [...QUESTION, { role: "system", content: "x" }] },
    "messages.1.role",
  ],
  ["a tool's message", { messages: [{ role: "tool", content: "x", tool_call_id: "1" }] }, "messages.0.role"],
  [
    "an image",
    { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }] },
    "messages.0.content",
  ],
];

clientTest("what is not supported is a 400 that names the field", async ({ client }) => {
  for (const [what, settings, param] of REFUSED) {
    await assert.rejects(client.chat.completions.create({ ...ASK, ...settings } as never), (error) => {
      assert.ok(error instanceof BadRequestError, what);
      assert.deepEqual([error.param, error.type, error.code], [
        param,
        "invalid_request_error",
        "validation_failed",
      ]);
      assert.ok(error.message.includes(param), error.message);
      return true;
    });
  }
  const text = { model: "tiny", prompt: "Once" };
  for (const [field, value] of Object.entries({ echo: true, suffix: "end", best_of: 2, logprobs: 0 })) {
    await assert.rejects(client.completions.create({ ...text, [field]: value }), (error) => {
      return error instanceof BadRequestError && error.param === field;
    });
  }
  for (const prompt of [["one", "two"], [1, 2, 3], ""]) {
    await assert.rejects(client.completions.create({ ...text, prompt } as never), BadRequestError);
  }
});

clientTest("values that change nothing are accepted, null included", async ({ client }) => {
  const harmless = {
    logprobs: false,
    top_logprobs: null,
    response_format: { type: "text" },
    tools: [],
    logit_bias: {},
    stop: null,
    seed: null,
    n: null,
    stream: false,
    user: "someone",
    metadata: { any: "thing" },
  };
  const plain = await client.chat.completions.create(ASK);
  const answer = await client.chat.completions.create({ ...ASK, ...harmless } as never) as typeof plain;
  assert.deepEqual(answer.choices, plain.choices);
});

clientTest("every error under /v1/ has OpenAI's shape", async ({ url, client }) => {
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
  await assert.rejects(stranger.models.list(), (error) => {
    return error instanceof AuthenticationError && error.code === "invalid_api_key";
  });
  await assert.rejects(client.embeddings.create({ model: "tiny", input: "x" }), NotFoundError);
  const post = (body: string, type = "application/json") =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": type },
      body,
    });
  const answers = [
    [await post("{oops"), 400],
    [await post("{}", "text/plain"), 400],
    [await post(JSON.stringify({ ...ASK, user: "x".repeat(5_000_000) })), 413],
  ] as const;
  for (const [answer, status] of answers) {
    assert.equal(answer.status, status);
    openAiErrorSchema.parse(await answer.json());
  }
  const tooLong = { model: "tiny", prompt: "word ".repeat(5_000) };
  await assert.rejects(client.completions.create(tooLong), /at most \d+ tokens/);
});

/** A test on an engine that pauses after the first word. */
function pausedTest(
  name: string,
  use: (served: Served, held: PromiseWithResolvers<void>) => Promise<void>,
  failure?: Error,
): void {
  Deno.test(name, () =>
    inTempDir(async (dir) => {
      const held = Promise.withResolvers<void>();
      const beforeWord = async (index: number) => {
        if (index === 0) return;
        await held.promise;
        if (failure !== undefined) throw failure;
      };
      const engine = createFakeEngine({ forTests: true, queueLimit: 0, beforeWord });
      await engine.load({ id: "fake", path: "" });
      await withServed({ engine, dir }, (served) => use(served, held).finally(() => held.resolve()));
    }));
}

async function settled(holds: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  while (!holds()) await delay(5, { signal });
}

pausedTest("a client that leaves a stream frees the engine", async ({ client, engine }, held) => {
  const stream = await client.chat.completions.create({ ...ASK, model: "fake", stream: true });
  for await (const chunk of stream) if (chunk.choices.length > 0) break;
  assert.equal(engine.occupancy.running, 1);
  held.resolve();
  await settled(() => engine.occupancy.running === 0);
  const next = await client.chat.completions.create({ ...ASK, model: "fake" });
  assert.equal(next.choices.length, 1);
});

pausedTest("a client that leaves while it waits for an answer frees the engine", async (served, held) => {
  const { client, engine } = served;
  const leaving = new AbortController();
  const asked = client.chat.completions.create({ ...ASK, model: "fake" }, { signal: leaving.signal });
  const refused = assert.rejects(asked, OpenAI.APIUserAbortError);
  await settled(() => engine.occupancy.running === 1);
  leaving.abort();
  await refused;
  held.resolve();
  await settled(() => engine.occupancy.running === 0);
});

pausedTest("a full queue is a 503 that says when to retry", async ({ client, engine }) => {
  const first = await client.chat.completions.create({ ...ASK, model: "fake", stream: true });
  assert.equal(engine.occupancy.running, 1);
  await assert.rejects(client.chat.completions.create({ ...ASK, model: "fake" }), (error) => {
    assert.ok(error instanceof InternalServerError);
    assert.deepEqual([error.status, error.code, error.type], [503, "queue_full", "server_error"]);
    assert.ok(Number(error.headers.get("retry-after")) >= 1);
    return true;
  });
  first.controller.abort();
});

pausedTest(
  "a stream that fails on its way ends with an error and without [DONE]",
  async ({ client }, held) => {
    const stream = await client.chat.completions.create({ ...ASK, model: "fake", stream: true });
    held.resolve();
    const texts: (string | null | undefined)[] = [];
    await assert.rejects(async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content);
    }, (error) => {
      assert.ok(error instanceof APIError);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    assert.equal(texts.length, 1);
  },
  new Error("a secret of the engine"),
);

clientTest("the OpenAPI document has the endpoints", async ({ url }) => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { paths } = await (await fetch(`${url}/openapi.json`, { headers })).json();
  for (const path of ["/v1/chat/completions", "/v1/completions"]) assert.ok(paths[path].post, path);
  assert.ok(paths["/v1/models"].get && paths["/v1/models/{model}"].get);
  assert.ok(paths["/v1/chat/completions"].post.requestBody.content["application/json"].schema);
});

clientTest("the example of docs/openai.md runs", async ({ url, dir }) => {
  const page = await Deno.readTextFile(new URL("../docs/openai.md", import.meta.url));
  const example = /```ts\n([^]*?)```/.exec(page)?.[1] ?? assert.fail("the page has no example");
  const script = `${dir}/example.ts`;
  const changes = { "http://127.0.0.1:8100": url, "ML_TOKEN": TOKEN, "smollm2-135m-instruct": "tiny" };
  const text = Object.entries(changes).reduce((code, [from, to]) => {
    assert.ok(code.includes(from), from);
    return code.replace(from, to);
  }, example);
  await Deno.writeTextFile(script, text);
  const config = fileURLToPath(new URL("../deno.json", import.meta.url));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--config", config, "--allow-net=127.0.0.1", "--allow-env", script],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assert.equal(lines[0], "tiny");
  assert.ok(JSON.parse(lines.at(-1) ?? "").total_tokens > 0);
});

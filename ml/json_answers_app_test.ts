/** Tests answers that are held to JSON, with OpenAI's own client and a model that knows no JSON. */
import assert from "node:assert/strict";
import * as z from "zod";
import { clientTest, generateBody, TOKEN } from "../tests/support/ml/openai_client.ts";

const MESSAGES = [{ role: "user" as const, content: "are you coming tonight?" }];
const ASK = { model: "tiny", messages: MESSAGES, max_tokens: 400, temperature: 1 };

/** A text of so many characters. A model of random weights writes broken ones, which may count as one and be read as several. */
function atMost(count: number) {
  return z.string().refine((text) => text.includes("\ufffd") || [...text].length <= count).meta({
    maxLength: count,
  });
}

const plan = z.strictObject({
  place: atMost(6),
  coming: z.boolean(),
  mood: z.enum(["good", 'bad "so" so']),
  guests: z.array(z.strictObject({ name: atMost(4), age: z.union([z.literal(7), z.null()]) })).max(2),
});
const PLAN = {
  type: "json_schema" as const,
  json_schema: { name: "plan", strict: true, schema: z.toJSONSchema(plan) as Record<string, unknown> },
};

clientTest("an answer is JSON of its schema, whatever the model would rather say", async ({ client }) => {
  let complete = 0;
  for (let seed = 0; seed < 12; seed++) {
    const { choices } = await client.chat.completions.create({ ...ASK, seed, n: 2, response_format: PLAN });
    for (const { message, finish_reason: reason } of choices) {
      if (reason === "length") continue;
      complete++;
      plan.parse(JSON.parse(message.content ?? ""));
    }
  }
  assert.ok(complete >= 12, `${complete} of 24 came to an end`);
});

clientTest("a stream of JSON and the penalties of sampling keep to the schema", async ({ client }) => {
  const asked = { ...ASK, seed: 3, response_format: PLAN, presence_penalty: 2, top_p: 0.5 };
  const whole = await client.chat.completions.create(asked);
  const stream = await client.chat.completions.create({ ...asked, stream: true });
  const chunks = await Array.fromAsync(stream);
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
  assert.equal(text, whole.choices[0]?.message.content);
  plan.parse(JSON.parse(text));
});

clientTest("json_object is an object of any kind, and text is as without", async ({ client }) => {
  for (let seed = 0; seed < 6; seed++) {
    const asked = { ...ASK, max_tokens: 120, seed };
    const { choices: [choice] } = await client.chat.completions.create({
      ...asked,
      response_format: { type: "json_object" },
    });
    assert.ok(choice?.message.content?.startsWith("{"));
    if (choice?.finish_reason === "stop") {
      assert.ok(JSON.parse(choice.message.content ?? "") instanceof Object);
    }
    const plain = await client.chat.completions.create(asked);
    const text = await client.chat.completions.create({ ...asked, response_format: { type: "text" } });
    assert.equal(text.choices[0]?.message.content, plain.choices[0]?.message.content);
  }
});

clientTest("/generate takes a schema too, and answers another request from the cache", async (served) => {
  const schema = { type: "object", properties: { answer: { enum: ["yes", "no"] } } };
  const first = await generateBody(served, { max_tokens: 60, json_schema: schema });
  assert.ok(["yes", "no"].includes(JSON.parse(first.response).answer));
  const plain = await generateBody(served, { max_tokens: 60 });
  assert.notEqual(plain.response, first.response);
  const again = await generateBody(served, { max_tokens: 60, json_schema: schema });
  assert.deepEqual([again.response, again.cached], [first.response, true]);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const refused = await served.post("/generate", { prompt: "hi", json_schema: { not: {} } }, { headers });
  assert.equal(refused.status, 400);
});

/**
 * A server that answers as vLLM does: models, run-time adapters in PEFT's format, tokens, log-probabilities and chats.
 * What it computes, it computes with node-llama-cpp's own evaluation, on the adapter that lies in the folder.
 */
import { join } from "node:path";
import { getLlama, type Llama, type LlamaContextSequence, type LlamaModel, type Token } from "node-llama-cpp";
import { Notifier } from "../../../lib/async.ts";
import { ggufOfPeft } from "./peft_reader.ts";

export interface VllmOptions {
  /** Of the model that it serves; ChatML is its template. */
  modelPath: string;
  modelId: string;
  /** The folder of adapters, as it sees it and as it really is. */
  adapters: { seen: string; real: string };
  /** `--enable-lora`. Default: true. */
  enableLora?: boolean;
  /** `VLLM_ALLOW_RUNTIME_LORA_UPDATING`. Default: true. */
  allowsUpdating?: boolean;
  /** `--max-lora-rank`. Default: 16, as vLLM's. */
  maxRank?: number;
  /** Takes adapters and answers without them, as for a model whose matrices it names otherwise. */
  ignoresAdapters?: boolean;
}

interface Message {
  role: string;
  content: string;
}

interface Body {
  model: string;
  messages?: Message[];
  prompt?: string | number[];
  add_generation_prompt?: boolean;
  max_tokens?: number;
  lora_name?: string;
  lora_path?: string;
}

function failure(code: number, type: string, message: string): Response {
  return Response.json({ error: { message, type, param: null, code } }, { status: code });
}

function chatMlOf(messages: readonly Message[], { add_generation_prompt: opens = true }: Body): string {
  const turns = messages.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
  return turns.join("") + (opens ? "<|im_start|>assistant\n" : "");
}

/** A text without the character at its end that is not complete yet. */
function wholeCharactersOf(text: string): string {
  return text.replace(/\ufffd+$/, "");
}

/** See the module. */
export class VllmServer implements AsyncDisposable {
  readonly options: VllmOptions;
  /** Each request's path, with the model or adapter that it names. */
  readonly requests: string[] = [];
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #http: Deno.HttpServer<Deno.NetAddr>;
  /** The folder of each adapter by name. */
  readonly #loaded = new Map<string, string>();
  /** While it is set no request is answered. */
  #isDown = false;
  /** Notifies of each request that is not. */
  readonly refusals = new Notifier();

  private constructor(options: VllmOptions, parts: { llama: Llama; model: LlamaModel }) {
    this.options = options;
    this.#llama = parts.llama;
    this.#model = parts.model;
    this.#http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      return this.#answer(request);
    });
  }

  static async start(options: VllmOptions): Promise<VllmServer> {
    const llama = await getLlama({ gpu: false, build: "never", skipDownload: true });
    return new VllmServer(options, { llama, model: await llama.loadModel({ modelPath: options.modelPath }) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#http.addr.port}/v1`;
  }

  /** Names of the adapters that are loaded. */
  get loaded(): string[] {
    return [...this.#loaded.keys()];
  }

  /** Forgets its adapters, as a new process has none. */
  restart(): void {
    this.#loaded.clear();
  }

  /** Fails every request until it is called again. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.shutdown();
    await this.#model.dispose();
    await this.#llama.dispose();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (this.#isDown) {
      this.refusals.notify();
      return new Response(null, { status: 502 });
    }
    if (pathname === "/v1/models") return this.#models();
    const body: Body = await request.json();
    this.requests.push(`${pathname} ${body.lora_name ?? body.model}`);
    if (pathname.endsWith("_lora_adapter")) return await this.#changeAdapters(pathname, body);
    if (body.model !== this.options.modelId && !this.#loaded.has(body.model)) {
      return failure(404, "NotFoundError", `The model \`${body.model}\` does not exist.`);
    }
    if (pathname === "/tokenize") return this.#tokenize(body);
    if (pathname === "/v1/completions") return await this.#scorePrompt(body);
    if (pathname === "/v1/chat/completions") return await this.#chat(body);
    return Response.json({ detail: "Not Found" }, { status: 404 });
  }

  #models(): Response {
    const { modelId } = this.options;
    const adapters = [...this.#loaded].map(([id, root]) => ({ id, object: "model", root, parent: modelId }));
    return Response.json({ object: "list", data: [{ id: modelId, object: "model" }, ...adapters] });
  }

  async #changeAdapters(
    path: string,
    { lora_name: name = "", lora_path: folder = "" }: Body,
  ): Promise<Response> {
    const { enableLora = true, allowsUpdating = true, maxRank = 16, adapters } = this.options;
    if (!allowsUpdating) return Response.json({ detail: "Not Found" }, { status: 404 });
    if (path === "/v1/unload_lora_adapter") {
      if (this.#loaded.delete(name)) {
        return new Response(`Success: LoRA adapter '${name}' removed successfully.`);
      }
      return failure(404, "NotFoundError", `The lora adapter '${name}' cannot be found.`);
    }
    if (this.#loaded.has(name)) {
      return failure(400, "InvalidUserInput", `The lora adapter '${name}' has already been loaded.`);
    }
    if (!enableLora) {
      const message =
        "Call to add_lora method failed: LoRA is not enabled. Use --enable-lora to enable LoRA.";
      return failure(500, "InternalServerError", message);
    }
    const real = folder.replace(adapters.seen, adapters.real);
    const config = await Deno.readTextFile(join(real, "adapter_config.json")).catch(() => null);
    if (config === null || !folder.startsWith(adapters.seen)) {
      return failure(404, "NotFoundError", `Loading lora ${name} failed: No adapter found for ${folder}`);
    }
    const { r: rank } = JSON.parse(config);
    if (rank > maxRank) {
      const message =
        `Call to add_lora method failed: LoRA rank ${rank} is greater than max_lora_rank ${maxRank}.`;
      return failure(500, "InternalServerError", message);
    }
    this.#loaded.set(name, real);
    return new Response(`Success: LoRA adapter '${name}' added successfully.`);
  }

  #tokensOf(body: Body): Token[] {
    const { messages, prompt = "" } = body;
    if (messages !== undefined) return this.#model.tokenize(chatMlOf(messages, body), true);
    return typeof prompt === "string"
      ? this.#model.tokenize(prompt, false, "trimLeadingSpace")
      : prompt as Token[];
  }

  #tokenize(body: Body): Response {
    const tokens = this.#tokensOf(body);
    return Response.json({ count: tokens.length, max_model_len: 512, tokens });
  }

  /** Runs work on a context of its own, with the adapter that the body names. */
  async #evaluating<Result>(
    { model: name }: Body,
    work: (sequence: LlamaContextSequence) => Promise<Result>,
  ): Promise<Result> {
    const folder = this.options.ignoresAdapters ? undefined : this.#loaded.get(name);
    const filePath = folder === undefined ? undefined : await Deno.makeTempFile({ suffix: ".gguf" });
    try {
      if (folder !== undefined && filePath !== undefined) {
        await Deno.writeFile(filePath, await ggufOfPeft(folder));
      }
      const lora = filePath === undefined ? undefined : { adapters: [{ filePath }] };
      await using context = await this.#model.createContext({ contextSize: 512, threads: 1, lora });
      return await work(context.getSequence());
    } finally {
      if (filePath !== undefined) await Deno.remove(filePath);
    }
  }

  /** The log-probability of each token of a prompt after those before it. */
  async #scorePrompt(body: Body): Promise<Response> {
    const tokens = this.#tokensOf(body);
    const scores = await this.#evaluating(body, async (sequence) => {
      const outputs = await sequence.controlledEvaluate(
        tokens.map((
          token,
        ) => [token, { generateNext: { probabilities: true, options: { temperature: 0 } } }]),
      );
      return tokens.map((token, index) => {
        const logprob = Math.log(outputs[index - 1]?.next.probabilities?.get(token) ?? 0);
        return index === 0 ? null : { [token]: { logprob, rank: 1, decoded_token: "" } };
      });
    });
    return Response.json({
      choices: [{ index: 0, text: "", finish_reason: "length", prompt_logprobs: scores }],
    });
  }

  /** Answers a chat with the most probable tokens, as a stream of server-sent events. */
  async #chat(body: Body): Promise<Response> {
    const prompt = this.#tokensOf(body);
    const events: unknown[] = [];
    const event = (content: string, logprob: number) => {
      const logprobs = { content: [{ token: content, logprob }] };
      events.push({ choices: [{ index: 0, delta: { content }, logprobs, finish_reason: null }] });
    };
    const reply: Token[] = [];
    let isEnded = false;
    await this.#evaluating(body, async (sequence) => {
      let input = prompt;
      while (reply.length < (body.max_tokens ?? 16)) {
        const last = input.length - 1;
        const outputs = await sequence.controlledEvaluate(
          input.map((token, index) =>
            index < last
              ? token
              : [token, { generateNext: { token: true, probabilities: true, options: { temperature: 0 } } }]
          ),
        );
        const { token, probabilities } = outputs[last]?.next ?? {};
        isEnded = token === undefined || token === null || this.#model.isEogToken(token);
        if (isEnded || !token) return;
        const before = wholeCharactersOf(this.#model.detokenize(reply));
        reply.push(token);
        const text = wholeCharactersOf(this.#model.detokenize(reply));
        event(text.slice(before.length), Math.log(probabilities?.get(token) ?? 0));
        input = [token];
      }
    });
    events.push({ choices: [{ index: 0, delta: {}, finish_reason: isEnded ? "stop" : "length" }] });
    events.push({
      choices: [],
      usage: { prompt_tokens: prompt.length, completion_tokens: reply.length },
    });
    const lines = [...events.map((value) => JSON.stringify(value)), "[DONE]"].map((data) =>
      `data: ${data}\n\n`
    );
    return new Response(lines.join(""), { headers: { "content-type": "text/event-stream" } });
  }
}

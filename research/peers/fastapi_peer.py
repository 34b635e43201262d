"""The stack that many would take instead of ml: FastAPI, llama-cpp-python and a cache in Redis, written as its makers show it.

python fastapi_peer.py --model FILE --port PORT --redis PORT --threads N --context TOKENS
POST /generate {messages, max_tokens, temperature, top_p, top_k, min_p, repeat_penalty, stop} -> {text, tokens_used, cached}
GET /health -> {ok}

A Llama object generates one reply at a time, so requests wait for one another. Replies at temperature 0 are cached for an hour.
"""

import argparse
import asyncio
import hashlib
import json

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI
from llama_cpp import Llama
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

CACHE_SECONDS = 3600


class Message(BaseModel):
    role: str
    content: str


class Request(BaseModel):
    messages: list[Message]
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    stop: list[str]


def cache_key(request: Request) -> str:
    return "reply:" + hashlib.sha256(request.model_dump_json().encode()).hexdigest()


def make_app(llama: Llama, cache: redis.Redis) -> FastAPI:
    app = FastAPI()
    one_at_a_time = asyncio.Lock()

    @app.get("/health")
    async def health() -> dict:
        return {"ok": await cache.ping()}

    @app.post("/generate")
    async def generate(request: Request) -> dict:
        key = cache_key(request) if request.temperature == 0 else None
        stored = await cache.get(key) if key else None
        if stored:
            return {**json.loads(stored), "cached": True}
        async with one_at_a_time:
            answer = await run_in_threadpool(llama.create_chat_completion, **request.model_dump())
        reply = {
            "text": answer["choices"][0]["message"]["content"],
            "tokens_used": answer["usage"]["completion_tokens"],
        }
        if key:
            await cache.set(key, json.dumps(reply), ex=CACHE_SECONDS)
        return {**reply, "cached": False}

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    for name in ("port", "redis", "threads", "context"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    llama = Llama(
        model_path=options.model,
        n_ctx=options.context,
        n_threads=options.threads,
        n_threads_batch=options.threads,
        verbose=False,
    )
    cache = redis.Redis(host="127.0.0.1", port=options.redis)
    uvicorn.run(make_app(llama, cache), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()

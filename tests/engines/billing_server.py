"""A server that bills: it counts the prompts it read and the tokens it made, and tells of them with the
end of a reply only, as hosted servers do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from engines.fake_server import CHAT, QUICK, Server, event

from ttscale.core import Price
from ttscale.engines.openai.engine import OpenAIHTTP

PRICE = Price(prompt=3.0, completion=15.0)


class Biller:
    """Replies of 30 to 70 tokens that end in a box; a word of the prompt is a token.

    Attributes:
        prompts, made: tokens read and generated so far, whether or not anybody was left to read them.
        requests: how many came.
        pause: seconds a token takes.
    """

    def __init__(self, pause: float = 0.004) -> None:
        self.prompts = self.made = self.requests = 0
        self.pause = pause

    @property
    def bill(self) -> float:
        return PRICE.of(self.prompts, self.made)

    async def play(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        number = self.requests
        self.requests += 1
        prompt = sum(len(m["content"].split()) for m in body["messages"])
        self.prompts += prompt
        whole = 30 + number * 17 % 41
        length = min(whole, body.get("max_tokens") or whole)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for place in range(length):
            await asyncio.sleep(self.pause)
            self.made += 1
            piece = r"\boxed{4}" if place == whole - 1 else "so "
            choice: dict[str, Any] = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            if body.get("logprobs"):
                top = [{"token": piece, "logprob": -0.1 - number % 3 - k} for k in range(2)]
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
            await response.write(event(choices=[choice]))
        finish = "stop" if length == whole else "length"
        await response.write(event(choices=[{"index": 0, "delta": {}, "finish_reason": finish}]))
        usage = {"prompt_tokens": prompt, "completion_tokens": length, "total_tokens": prompt + length}
        await response.write(event(choices=[], usage=usage) + b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def billed(biller: Biller) -> AsyncIterator[OpenAIHTTP]:
    """An open engine on the server; when the block has ended, so has all that the server did."""
    async with Server().up() as server:
        server.plays = [biller.play]
        engine = OpenAIHTTP("m", server.url, dialect=CHAT, retry=QUICK, seeds=False)
        await engine.open()
        try:
            yield engine
            for _ in range(200):
                if not server.busy:
                    break
                await asyncio.sleep(0.01)
            assert not server.busy, json.dumps([path for path, _, _ in server.requests])
        finally:
            await engine.close()

"""A model server for the documents: `python stand_in.py PORT`. It multiplies, and says 7 to all else."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def reply_to(body: dict[str, Any]) -> str:
    found = re.search(r"(\d+) \* (\d+)", str(body["messages"][-1]["content"]))
    return f"\\boxed{{{int(found[1]) * int(found[2]) if found else 7}}}"


async def chat(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    text, choice = reply_to(body), {"index": 0, "finish_reason": "stop"}
    if not body.get("stream"):
        message = {"role": "assistant", "content": text}
        whole = {"object": "chat.completion", "choices": [{**choice, "message": message}], "usage": USAGE}
        return web.json_response(whole)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    begun = {"choices": [{"index": 0, "delta": {"content": text}}]}
    for event in (begun, {"choices": [{**choice, "delta": {}}]}, {"choices": [], "usage": USAGE}):
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    return response


async def models(request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": "stand-in", "object": "model"}]})


if __name__ == "__main__":
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_get("/v1/models", models)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)

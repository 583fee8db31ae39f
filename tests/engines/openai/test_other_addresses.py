"""Servers whose endpoints are not below /v1, and that want their key in a header of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from engines.fake_server import PROBLEM, AwaitedRequest, Server, refuse, said, stream

from ttscale.core import Sampling, Trace, UsageError
from ttscale.engines import open_model
from ttscale.engines.openai.engine import OpenAIHTTP

KEY = "sk-1234"
DEPLOYMENT = "/openai/deployments/gpt"


@asynccontextmanager
async def opened(spec: str, folder: Path) -> AsyncIterator[tuple[Server, OpenAIHTTP]]:
    """A server that lists no models, and the model of a specification in which `HERE` is its address."""
    file = folder / "key"
    file.write_text(KEY)
    async with Server().up() as server:
        server.plays = [stream(said("4", usage=1))]
        server.paths = {f"{DEPLOYMENT}/models": refuse(404, "Resource not found")}
        mark = "&" if "?" in spec else "?"
        (source,) = open_model(spec.replace("HERE", server.url) + f"{mark}key_file={file}")
        engine: Any = source.make()
        await engine.open()
        try:
            yield server, engine
        finally:
            await engine.close()


async def sample(engine: OpenAIHTTP) -> Trace:
    request = AwaitedRequest(Sampling(), PROBLEM.prompt, 0)
    engine.start(request)
    return await request.done


@pytest.mark.parametrize(
    ("spec", "asked", "header", "key"),
    [
        (f"openai:gpt@HERE{DEPLOYMENT}?api-version=2024-10-21", DEPLOYMENT, "api-key", KEY),
        (f"openai:gpt@HERE{DEPLOYMENT}/chat/completions?api-version=1", DEPLOYMENT, "api-key", KEY),
        (f"openai:gpt@HERE{DEPLOYMENT}", DEPLOYMENT, "api-key", KEY),
        (f"openai:gpt@HERE{DEPLOYMENT}?key_in=Authorization", DEPLOYMENT, "Authorization", f"Bearer {KEY}"),
        ("openai:m@HERE/api/paas/v4", "/api/paas/v4", "Authorization", f"Bearer {KEY}"),
        ("openai:m@HERE?key_in=x-api-key", "/v1", "x-api-key", KEY),
    ],
)
async def test_they_are_asked_where_and_as_they_want(
    spec: str, asked: str, header: str, key: str, tmp_path: Path
) -> None:
    async with opened(spec, tmp_path) as (server, engine):
        trace = await sample(engine)
        assert (trace.text, trace.tokens) == ("4", 1)
        async with engine.forward("/v1/chat/completions", b"{}") as reply:
            assert reply.status == 200
        await engine.fetch_raw("/v1/embeddings", {"input": ["one"]})
    assert [path for path, _, _ in server.requests] == [
        f"{asked}/chat/completions",
        f"{asked}/chat/completions",
        f"{asked}/embeddings",
    ]
    for _, _, headers in server.requests:
        present = {n: headers[n] for n in ("Authorization", "api-key", "x-api-key") if n in headers}
        assert present == {header: key}


async def test_the_version_is_in_every_request(tmp_path: Path) -> None:
    queries = []

    async def play(request: Any, body: Any) -> Any:
        queries.append(request.query_string)
        return await stream(said("4", usage=1))(request, body)

    async with opened(f"openai:@HERE{DEPLOYMENT}?api-version=2024-10-21", tmp_path) as (server, engine):
        server.plays = [play]
        await engine.identify()  # a deployment lists nothing, and needs no name
        assert (await sample(engine)).finish == "stop"
        async with engine.forward("/v1/chat/completions", b"{}") as reply:
            await reply.read()
        assert await engine.answers(engine.replicas.all[0], 5.0)
    assert queries == ["api-version=2024-10-21"] * 2


@pytest.mark.parametrize("name", ["a b", "key:", "clé", "x\n"])
async def test_a_header_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a header"):
        OpenAIHTTP("m", "http://h", key_in=name)

"""Probing: what a reply means counts, not that there is one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import PROBLEM, Play, Server, answer, refuse, said, stream

from ttscale.core import AuthError, ModelNotFound, Prompt, Trace, Trials, Unreachable
from ttscale.core.spending.metering import Scope
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai import findings, probe
from ttscale.engines.openai.engine import OpenAIHTTP

QUICK = Retry(times=1, first=0.01)


@pytest.fixture(autouse=True)
def _unknown() -> Iterator[None]:
    findings.forget()
    yield
    findings.forget()


def models(owner: str, *names: str) -> Play:
    return answer({"data": [{"id": name, "owned_by": owner} for name in names]})


def chats(*, honest: bool, flags: bool = False, scores: bool = False, counting: bool = True) -> Play:
    """A chat server. One that is not `honest` takes every field and ignores it."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body.get("stream"):
            logprobs = body.get("top_logprobs") if honest else None
            events = said("a", "b", counting=counting and honest, usage=2, logprobs=logprobs)
            return await stream(events)(request, body)
        prompt = 7 + 4 * (len(body["messages"]) - 1)
        if honest:
            prompt += 30 * bool(body.get("tools"))
            prompt += 60 * isinstance(body["messages"][0]["content"], list)
        prompt -= 3 * bool(flags and body.get("continue_final_message"))
        reply: dict[str, Any] = {
            "choices": [{"message": {"content": "x"}, "finish_reason": "length"}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": 1},
        }
        if scores and body.get("prompt_logprobs"):
            entry = {"5": {"logprob": -1.0, "decoded_token": "Pa"}}
            last = {"7": {"logprob": -0.5, "decoded_token": "ris"}}
            reply["prompt_logprobs"] = [None, *[entry] * (prompt - 2), last]
        return web.json_response(reply)

    return play


async def opened(server: Server, model: str = "m", **settings: Any) -> OpenAIHTTP:
    engine = OpenAIHTTP(model, server.url, retry=QUICK, **settings)
    try:
        await engine.open()
        await engine.probe(probe.TRIED, Trials(Scope(None), None))
    finally:
        await engine.close()
    return engine


async def test_a_server_that_takes_every_field_and_ignores_it_can_only_chat() -> None:
    async with Server().up() as server:
        server.paths = {"/v1/models": models("me", "m"), "/v1/chat/completions": chats(honest=False)}
        server.plays = [answer({"choices": [{"text": "x", "logprobs": None}]})]
        engine = await opened(server)
    assert engine.capabilities == {"text"}
    assert (engine.dialect.counting, engine.dialect.prefix, engine.dialect.scoring) == ("", "", "")


async def test_an_honest_server_shows_all_it_can() -> None:
    async with Server().up() as server:
        chat = chats(honest=True, flags=True, scores=True)
        server.paths = {"/v1/models": models("vllm", "m"), "/v1/chat/completions": chat}
        server.plays = [refuse(404)]
        engine = await opened(server)
        asked = len(server.requests)
        again = await opened(server)
        assert len(server.requests) == asked, "what is known is not probed again"
        await engine.open()
        score = await engine.score(Prompt.user("The capital of France is"), "Paris")
        await engine.close()
    assert engine.capabilities == {"text", "logprobs", "prefix", "tools", "images", "score"}
    assert again.dialect == engine.dialect
    assert (engine.dialect.prefix, engine.dialect.counting) == ("flags", "usage")
    assert list(score.logprobs) == [-1.0, -0.5]


async def test_a_strict_server_is_asked_with_fewer_fields() -> None:
    async def strict(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        for field in ("timings_per_token", "logprobs", "tools"):
            if field in body:
                return await refuse(400, f"Unrecognized request argument: {field}")(request, body)
        return await chats(honest=True, counting=False)(request, body)

    async with Server().up() as server:
        server.paths = {"/v1/models": models("hosted", "m"), "/v1/chat/completions": strict}
        server.plays = [refuse(404)]
        engine = await opened(server)
    assert engine.capabilities == {"text", "images"}
    assert engine.dialect.usage


async def test_an_embedding_server_embeds_and_does_not_chat() -> None:
    rows = [{"index": i, "embedding": [float(i), 1.0]} for i in (1, 0)]
    async with Server().up() as server:
        server.paths = {
            "/v1/models": models("vllm", "m"),
            "/v1/embeddings": answer({"data": rows, "usage": {"prompt_tokens": 4}}),
        }
        server.plays = [refuse(404, "Not Found")]
        engine = await opened(server)
        assert engine.capabilities == {"text", "embed"}  # a text is not tried, it would cost one
        await engine.open()
        embedded = await engine.embed(["a", "b"])
        await engine.close()
    assert embedded.vectors.tolist() == [[0.0, 1.0], [1.0, 1.0]]
    assert embedded.tokens == 4


@pytest.mark.parametrize(
    ("data", "value", "steps"),
    [(0.25, 0.25, None), ([0.25], 0.25, None), ([[0.9, 0.1], [0.4, 0.6]], 0.6, [0.1, 0.6])],
)
async def test_a_reward_model_judges_the_whole_or_every_step(data: Any, value: float, steps: Any) -> None:
    async with Server().up() as server:
        server.paths = {
            "/v1/models": models("vllm", "m"),
            "/pooling": answer({"data": [{"data": data}], "usage": {"prompt_tokens": 5}}),
        }
        server.plays = [refuse(404, "Not Found")]
        engine = await opened(server)
        assert engine.capabilities == {"text", "reward"}
        await engine.open()
        rewards = await engine.reward(PROBLEM, [Trace(text="4"), Trace(text="5")])
        await engine.close()
        asked = [body["messages"] for path, body, _ in server.requests if path == "/pooling"][-1]
    assert rewards.values == [value, value]
    assert rewards.tokens == 10
    assert rewards.steps == (None if steps is None else [steps, steps])
    assert [m["role"] for m in asked] == ["user", "assistant"]


async def test_a_model_that_is_not_served_is_named_with_the_nearest() -> None:
    async with Server().up() as server:
        server.plays = [models("vllm", "qwen3-8b")]
        with pytest.raises(ModelNotFound, match="it serves 'qwen3-8b'"):
            await opened(server, "qwen-8b")


async def test_without_a_name_the_only_model_is_taken() -> None:
    async with Server().up() as server:
        server.paths = {"/v1/models": models("x", "only"), "/v1/chat/completions": chats(honest=True)}
        server.plays = [refuse(404)]
        engine = await opened(server, "")
    assert engine.model == "only"


async def test_a_wrong_key_and_a_foreign_server_are_told() -> None:
    async with Server().up() as server:
        server.plays = [refuse(401, "no")]
        with pytest.raises(AuthError, match="name the key"):
            await opened(server)
        server.plays = [stream([b"<html>"])]
        with pytest.raises(Unreachable, match="OpenAI-compatible"):
            await opened(server)


def spoil(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_text("{")


def make_old(folder: Path) -> None:
    for file in folder.iterdir():
        os.utime(file, (0, time.time() - findings.MAX_AGE - 1))


async def test_what_was_probed_can_be_kept_on_disk(tmp_path: Path) -> None:
    async with Server().up() as server:
        server.paths = {"/v1/models": models("x", "m"), "/v1/chat/completions": chats(honest=True)}
        server.plays = [refuse(404)]
        engine = await opened(server, cache=tmp_path)
        findings.forget()
        asked = len(server.requests)
        again = await opened(server, cache=tmp_path)
        assert len(server.requests) == asked + 1  # the list of its models
        assert again.dialect == engine.dialect
        findings.forget()
        spoil(tmp_path)
        await opened(server, cache=tmp_path)
        assert len(server.requests) > asked + 2


@pytest.mark.parametrize("change", ["another model", "a day later"])
async def test_what_was_kept_is_not_believed_of_another_model_or_for_ever(
    tmp_path: Path, change: str
) -> None:
    async with Server().up() as server:
        server.paths = {"/v1/models": models("x", "m"), "/v1/chat/completions": chats(honest=True)}
        server.plays = [refuse(404)]
        await opened(server, cache=tmp_path)
        findings.forget()
        asked = len(server.requests)
        if change == "another model":
            server.paths["/v1/models"] = models("x", "m", "n")
        else:
            make_old(tmp_path)
        await opened(server, cache=tmp_path)
        assert len(server.requests) > asked + 1


async def test_a_cache_that_cannot_be_written_does_not_keep_a_question_from_being_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    async with Server().up() as server:
        server.paths = {"/v1/models": models("x", "m"), "/v1/chat/completions": chats(honest=True)}
        server.plays = [refuse(404)]
        engine = await opened(server, cache=tmp_path / "file")
        assert "text" in engine.capabilities


async def test_scoring_raw_text_takes_the_texts_tokens_only() -> None:
    columns = {
        "tokens": ["The", " sea", " is", " blue", "!"],
        "token_logprobs": [None, -1.0, -2.0, -3.0, -4.0],
        "text_offset": [0, 3, 7, 10, 15],
    }
    echo = {"choices": [{"logprobs": columns}], "usage": {"prompt_tokens": 4}}
    async with Server().up() as server:
        server.paths = {
            "/v1/models": models("x", "m"),
            "/v1/chat/completions": chats(honest=True),
            "/v1/completions": answer(echo),
        }
        server.plays = [refuse(404)]
        engine = await opened(server)
        assert engine.dialect.scoring == "raw"
        await engine.open()
        score = await engine.score(Prompt(raw="The sea"), " is blue")
        await engine.close()
    assert list(score.logprobs) == [-2.0, -3.0]
    assert score.tokens == 4


async def test_a_reranker_judges_by_relevance() -> None:
    async def rerank(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        scored = [{"index": i, "relevance_score": float(len(d))} for i, d in enumerate(body["documents"])]
        return web.json_response({"results": scored[::-1], "usage": {"prompt_tokens": 8}})

    async with Server().up() as server:
        server.paths = {"/v1/models": models("llamacpp", "m"), "/v1/rerank": rerank}
        server.plays = [refuse(501, "not supported")]
        engine = await opened(server)
        await engine.open()
        rewards = await engine.reward(PROBLEM, [Trace(text="4"), Trace(text="four")])
        await engine.close()
    assert engine.capabilities == {"reward"}
    assert rewards.values == [1.0, 4.0]

"""Providers by name: where they are, what is sent to them, what they cost."""

from __future__ import annotations

from typing import Any

import pytest
from engines.fake_server import AwaitedRequest, Play, Server, answer, refuse, said, stream

from ttscale.core import AuthError, Price, Prompt, Sampling, UnknownName, UsageError
from ttscale.engines import Provider, open_model
from ttscale.engines.anthropic.engine import AnthropicHTTP
from ttscale.engines.catalogue.prices import listed_price, listed_prices
from ttscale.engines.catalogue.providers import known_providers
from ttscale.engines.catalogue.source import Plain
from ttscale.engines.openai.engine import OpenAIHTTP

MESSAGE = {"type": "message", "content": [{"type": "text", "text": "4"}], "stop_reason": "end_turn"}


def one(spec: str, catalogue: Any = None) -> Any:
    (source,) = open_model(spec, catalogue)
    return source


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, provider in known_providers().items():
        if provider.key_env:
            monkeypatch.setenv(provider.key_env, f"key-of-{name}")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("name", list(known_providers()))
async def test_a_provider_is_asked_where_it_is_with_its_own_key_and_headers(name: str) -> None:
    """The fields of the table as a server of that dialect sees them."""
    provider = known_providers()[name]
    address = provider.address or "http://host/openai/deployments/m?api-version=2024-10-21"
    source = one(f"{name}:m" if provider.address else f"{name}:m@{address}")
    engine = source.make()
    host = engine.urls[0]
    assert host.startswith(address.removesuffix("/v1").partition("?")[0])
    assert type(engine) is (AnthropicHTTP if provider.api == "anthropic" else OpenAIHTTP)
    play: Play = answer(MESSAGE) if provider.api == "anthropic" else stream(said("4"))
    async with Server().up() as server:
        server.plays = [play]
        engine.urls = [
            server.url
            + host.partition("://")[2].partition("/")[1]
            + host.partition("://")[2].partition("/")[2]
        ]
        await engine.open()
        request = AwaitedRequest(Sampling(reasoning_effort="low"), Prompt.user("2 + 2"), 0)
        engine.start(request)
        trace = await request.done
        await engine.close()
    assert (trace.text, trace.finish) == ("4", "stop")
    path, body, headers = next(r for r in server.requests if r[1])
    assert path.endswith("/messages" if provider.api == "anthropic" else "/chat/completions")
    assert path.count("/v1") <= 1
    assert ("seed" in body) is (provider.seeds and provider.api == "openai")
    if provider.api == "openai":
        told = body["reasoning"]["effort"] if provider.effort == "reasoning" else body["reasoning_effort"]
        assert told == "low"
    header = provider.key_in or "Authorization"
    if provider.key_env:
        assert headers[header] == ("Bearer " if header == "Authorization" else "") + f"key-of-{name}"
    else:
        assert "Authorization" not in headers


@pytest.mark.usefixtures("keys")
def test_a_providers_key_is_sent_to_the_provider_alone() -> None:
    assert not one("openai:gpt-5@http://elsewhere:8000").make().key
    assert not one("openrouter:m@http://elsewhere:8000").make().key
    assert one("openai:gpt-5").make().key


def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    with pytest.raises(AuthError, match="GEMINI_API_KEY"):
        one("gemini:gemini-2.5-flash").make()


@pytest.mark.usefixtures("keys")
async def test_what_a_user_adds_to_a_request_is_sent() -> None:
    async with Server().up() as server:
        server.plays = [stream(said("4"))]
        fields = (
            'extra_body={"service_tier":"flex"}&chat_template_kwargs={"enable_thinking":false}'
            "&headers.X-Title=bench&organization=org-1&reasoning_effort=high&can="
        )
        source = one(f"openai:m@{server.url}?{fields}")
        engine = source.make()
        await engine.open()
        request = AwaitedRequest(source.sampling, Prompt.user("2 + 2"), 0)
        engine.start(request)
        await request.done
        await engine.close()
    _, body, headers = server.requests[0]
    assert (body["service_tier"], body["reasoning_effort"]) == ("flex", "high")
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (headers["X-Title"], headers["OpenAI-Organization"]) == ("bench", "org-1")


def test_a_header_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(UsageError, match="'a b' cannot be sent"):
        one("openai:m@http://h?headers.a%20b=5").make()


async def test_errors_of_a_provider_are_the_cores() -> None:
    async with Server().up() as server:
        server.plays = [refuse(401, "invalid", type="authentication_error")]
        engine = one(f"anthropic:m@{server.url}").make()
        await engine.open()
        request = AwaitedRequest(Sampling(), Prompt.user("2 + 2"), 0)
        engine.start(request)
        trace = await request.done
        await engine.close()
    assert isinstance(trace.error, AuthError)


def test_a_provider_of_ones_own_is_a_scheme_and_wins_over_a_known_one() -> None:
    own = Plain(
        providers={"work": Provider(address="http://models.local:9"), "groq": Provider(address="http://g")}
    )
    assert one("work:m", own).make().urls == ["http://models.local:9"]
    assert one("groq:m", own).make().urls == ["http://g"]
    with pytest.raises(UnknownName, match="did you mean 'work'"):
        open_model("wrk:m", own)


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("openai/gpt-5", "write openai:gpt-5"),
        ("gpt-5", "write openai:gpt-5"),
        ("ollama/qwen3:4b", "ollama:qwen3:4b"),
    ],
)
def test_another_tools_way_of_writing_is_hinted_at(written: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        open_model(written)


@pytest.mark.usefixtures("keys")
def test_a_listed_price_holds_for_the_provider_and_a_users_own_wins() -> None:
    assert one("openai:gpt-5-mini").price == Price(prompt=0.25, completion=2, cached=0.025)
    assert one("openai:gpt-5-mini-2025-08-07").price == one("openai:gpt-5-mini").price
    assert one("openai:gpt-5-mini@http://elsewhere:1").price is None
    assert one("openai:gpt-unheard-of").price is None
    own = Plain(prices={"gpt-5-mini": Price(prompt=1, completion=1)})
    assert one("openai:gpt-5-mini", own).price == Price(prompt=1, completion=1)


def test_every_listed_price_has_a_day_a_source_and_a_known_provider() -> None:
    for (provider, model), found in listed_prices().items():
        assert provider in known_providers()
        assert found.read.year >= 2026
        assert found.source.startswith("https://")
        assert 0 < (found.price.cached or 0.01) <= found.price.prompt < found.price.completion
        assert listed_price(provider, model) is found

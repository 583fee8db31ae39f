"""What a model is known not to do is a 400; what is not known is the upstream's to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gateway.harness import Model, world

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
SEEN = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, IMAGE]}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
NAMED = {"type": "function", "function": {"name": "f"}}
FLAT = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
MODELS = ["m", "simple/m", "sc(n=2)/m"]


def llamacpp(tools: bool | None) -> Model:
    """A llama.cpp server with a text model; it says whether its template takes tools, if it says so."""
    model = Model()
    model.owner = "llamacpp"
    model.properties = {} if tools is None else {"chat_template_caps": {"supports_tools": tools}}
    return model


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("path", "asked", "param"),
    [
        ("chat/completions", {"messages": SEEN}, "messages"),
        ("chat/completions", {"tools": TOOLS, "tool_choice": "required"}, "tool_choice"),
        ("chat/completions", {"tools": TOOLS, "tool_choice": NAMED}, "tool_choice"),
        ("chat/completions", {"tool_choice": "required"}, "tool_choice"),
        (
            "responses",
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            "messages",
        ),
        ("responses", {"input": "q", "tools": FLAT, "tool_choice": "required"}, "tool_choice"),
    ],
)
async def test_what_a_model_cannot_do_is_a_400(
    model: str, path: str, asked: dict[str, Any], param: str
) -> None:
    upstream = llamacpp(tools=False)
    async with world(upstream) as w:
        status, reply = await w.post(path, model=model, **asked)
    assert (status, reply["error"]["param"]) == (400, param), reply
    assert not upstream.bodies


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "asked", [{"tools": TOOLS}, {"tools": TOOLS, "tool_choice": "auto"}, {"tool_choice": "none"}]
)
async def test_tools_that_need_not_be_called_are_no_demand(model: str, asked: dict[str, Any]) -> None:
    async with world(llamacpp(tools=False)) as w:
        assert (await w.post(model=model, **asked))[0] == 200


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "make", [lambda: llamacpp(True), lambda: llamacpp(None), Model], ids=["has", "silent", "other"]
)
async def test_what_is_not_known_is_asked_of_the_upstream(model: str, make: Callable[[], Model]) -> None:
    upstream = make()
    async with world(upstream) as w:
        assert (await w.post(model=model, tools=TOOLS, tool_choice="required"))[0] == 200
        if upstream.owner == "somebody":
            assert (await w.post(model=model, messages=SEEN))[0] == 200
            assert upstream.bodies[-1]["messages"] == SEEN

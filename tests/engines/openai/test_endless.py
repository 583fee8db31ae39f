"""Requests that llama.cpp takes and never answers are refused; what is like them goes through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.harness import world

from ttscale.core import UsageError
from ttscale.engines.catalogue.bundled import bundled_models
from ttscale.engines.openai import endless

ENDLESS: list[dict[str, Any]] = [
    {"prompt": "", "n": 2},
    {"prompt": [""], "n": 2},
    {"prompt": ["2+2", ""], "n": 3.0},
    {"prompt": [[]], "n": 2},
    {"prompt": {"prompt_string": ""}, "n": 2},
    {"prompt": "", "n_cmpl": 2},
]
ANSWERED: list[dict[str, Any]] = [
    {"prompt": ""},
    {"prompt": "", "n": 1},
    {"prompt": ["", ""]},
    {"prompt": "2+2", "n": 2, "stop": [], "suffix": ""},
    {"prompt": [1], "n": 2, "user": ""},
    {"messages": [{"role": "user", "content": ""}], "n": 2},
    {"messages": [{"role": "user", "content": '"prompt": ""'}], "n": 2},
]


@pytest.mark.parametrize("body", ENDLESS, ids=str)
def test_several_choices_of_an_empty_prompt_are_refused(body: dict[str, Any]) -> None:
    for separators in ((", ", ": "), (",", ":")):
        with pytest.raises(UsageError, match="empty prompt"):
            endless.check(json.dumps(body, separators=separators).encode(), "s")


@pytest.mark.parametrize("body", ANSWERED, ids=str)
def test_what_is_answered_is_let_through(body: dict[str, Any]) -> None:
    endless.check(json.dumps(body).encode(), "s")


@pytest.mark.slow
@pytest.mark.real
async def test_every_request_to_the_embedded_model_ends() -> None:
    pytest.importorskip("xllamacpp")
    spec = bundled_models()["tiny"].spec
    async with world(config={"models": {"m": {"spec": spec}}}) as w:
        for body in (*ENDLESS, *ANSWERED):
            path = "chat/completions" if "messages" in body else "completions"
            status, reply = await w.post(path, model="m", max_tokens=3, **body)
            assert status == (400 if body in ENDLESS else 200), (body, reply)
        status, _ = await w.post("completions", model="simple/m", prompt="", n=2, max_tokens=3)
        assert status == 200

"""Requests that a server takes and never answers, refused before they occupy it."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ...core import UsageError

_NOTHING = re.compile(rb'""|\[\s*\]')  # somewhere in a request that may be one of them


def check(payload: bytes, server: str) -> None:
    """Refuse what llama.cpp never answers: several choices for an empty prompt. All but the first
    wait, each in a slot, until the first has read its prompt, and there is none to read.

    Raises:
        UsageError: for such a request of /v1/completions, which names `server`.
    """
    if b'"prompt"' not in payload or not _NOTHING.search(payload):
        return
    body = orjson.loads(payload)
    prompt = body.get("prompt")
    several = any(isinstance(n := body.get(k), int | float) and n > 1 for k in ("n", "n_cmpl"))
    if several and any(_empty(p) for p in (prompt if isinstance(prompt, list) else [prompt])):
        raise UsageError(
            f"{server} cannot continue an empty prompt several times",
            fix="give a prompt, or ask for one choice",
        )


def _empty(prompt: Any) -> bool:
    if isinstance(prompt, dict):
        prompt = prompt.get("prompt_string")
    return prompt in ("", [])

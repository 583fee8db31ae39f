"""How a sample is written as a Messages request.

Reference: https://docs.anthropic.com/en/api/messages. Tools and the choice among them come in OpenAI's
shape, as everywhere in this package, and are rewritten; other fields a user adds are passed as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ...core import CapabilityError, Image, Message, Prompt, Sampling
from ..openai.dialect import Dialect

MOST = 8192
"""Tokens of a reply where nothing else limits it: the API wants a limit."""
THINKING = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
"""Effort -> tokens a model may think; the API's least is 1,024."""
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}


def body_of(
    prompt: Prompt, sampling: Sampling, dialect: Dialect, model: str, limit: int | None, server: str
) -> dict[str, Any]:
    """The body of a streamed sample; `limit` is a further bound on its tokens.

    Raises:
        CapabilityError: for what the API does not do.
    """
    if prompt.raw is not None:
        raise CapabilityError(f"{server} takes conversations, no raw text", fix="use a chat prompt")
    for name in ("logprobs", "min_tokens", "min_p"):
        if getattr(sampling, name) is not None:
            raise CapabilityError(f"{server} knows no {name}", fix=f"leave {name} out, or use another server")
    system, messages = conversation(prompt.messages)
    if prompt.prefix:
        if "prefix" not in dialect.capabilities:
            raise CapabilityError(
                f"{server} does not continue a reply whose beginning is given",
                fix="use another method; a model that does is declared with can=prefix",
            )
        messages.append({"role": "assistant", "content": prompt.prefix.rstrip()})
    limits = [n for n in (sampling.max_tokens, limit) if n is not None]
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": min(limits, default=MOST)}
    if system:
        body["system"] = system
    for name in ("temperature", "top_p"):
        if (value := getattr(sampling, name)) is not None:
            body[name] = value
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    extra = dict(sampling.extra)
    if sampling.reasoning_effort is not None:
        _think(body, sampling.reasoning_effort, bool(limits))
    _tools(body, extra)
    if (user := extra.pop("user", None)) is not None:
        body["metadata"] = {"user_id": user}
    return {**body, **extra, "stream": True}


def conversation(messages: Iterable[Message]) -> tuple[str, list[dict[str, Any]]]:
    """(system text, turns): turns of one side that follow one another are one."""
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "system":
            system.append(_text(message.content))
            continue
        role, blocks = ("assistant" if message.role == "assistant" else "user"), _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return "\n\n".join(filter(None, system)), turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    extra = message.extra
    if message.role == "tool":
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": extra.get("tool_call_id", "")}
        return [result | {"content": _content(message.content)}]
    # what a model thought goes back as it came, with its signature, in front of what it said
    blocks = [dict(block) for block in extra.get("thinking_blocks") or () if isinstance(block, Mapping)]
    for block in blocks:
        block.pop("index", None)
    blocks += _content(message.content)
    for call in extra.get("tool_calls") or ():
        function = call.get("function") or {}
        blocks.append(
            {
                "type": "tool_use",
                "id": call.get("id", ""),
                "name": function.get("name", ""),
                "input": _arguments(function.get("arguments")),
            }
        )
    return blocks


def _content(content: str | tuple[str | Image, ...] | None) -> list[dict[str, Any]]:
    parts = (content,) if isinstance(content, str) else content or ()
    return [
        {"type": "text", "text": part} if isinstance(part, str) else _image(part) for part in parts if part
    ]


def _image(image: Image) -> dict[str, Any]:
    if not image.url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    head, _, data = image.url.removeprefix("data:").partition(",")
    kind = head.partition(";")[0]
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _text(content: str | tuple[str | Image, ...]) -> str:
    return content if isinstance(content, str) else "\n".join(p for p in content if isinstance(p, str))


def _arguments(written: Any) -> Any:
    """A call's arguments as an object: OpenAI writes them as a text."""
    if not isinstance(written, str):
        return written or {}
    try:
        read = orjson.loads(written or "{}")
    except orjson.JSONDecodeError:
        return {"arguments": written}
    return read if isinstance(read, dict) else {"arguments": read}


def _think(body: dict[str, Any], effort: str, limited: bool) -> None:
    """Room to think in: of the tokens a reply may have at least a quarter is left for the answer. A model
    that thinks takes no temperature."""
    if effort == "none":
        body["thinking"] = {"type": "disabled"}
        return
    tokens, least = THINKING.get(effort), min(THINKING.values())
    if tokens is None:
        raise CapabilityError(
            f"reasoning_effort={effort!r} is not known here", fix=f"give none, {', '.join(THINKING)}"
        )
    if not limited:
        body["max_tokens"] += tokens
    room = body["max_tokens"] * 3 // 4
    if room < least:
        raise CapabilityError(
            f"max_tokens={body['max_tokens']} leaves no room for thinking, which takes {least} at least",
            fix=f"allow {least * 4 // 3 + 1} tokens, or leave reasoning_effort out",
        )
    body["thinking"] = {"type": "enabled", "budget_tokens": min(tokens, room)}
    body.pop("temperature", None)
    body.pop("top_k", None)


def _tools(body: dict[str, Any], extra: dict[str, Any]) -> None:
    """Tools in OpenAI's shape become Anthropic's; others stay as they are."""
    if tools := extra.pop("tools", None):
        body["tools"] = [_tool(tool) for tool in tools]
    chosen, parallel = extra.pop("tool_choice", None), extra.pop("parallel_tool_calls", None)
    choice: dict[str, Any] | None = None
    if isinstance(chosen, str):
        choice = {"type": _CHOICES.get(chosen, chosen)}
    elif isinstance(chosen, Mapping):
        named = chosen.get("function")
        choice = {"type": "tool", "name": named["name"]} if isinstance(named, Mapping) else dict(chosen)
    if parallel is False and body.get("tools"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if not isinstance(function, Mapping):
        return dict(tool)
    described = {"description": function["description"]} if function.get("description") else {}
    schema = function.get("parameters") or {"type": "object"}
    return {"name": function.get("name", ""), **described, "input_schema": schema}

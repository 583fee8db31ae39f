"""The OpenAPI document of the gateway: what it looks at. Further fields pass through."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ... import __version__
from ...core.settings.declared import schema_of
from .options import Options


def _or_null(*schemas: dict[str, Any]) -> dict[str, Any]:
    """Any of these; null leaves a field out."""
    return {"anyOf": [*schemas, {"type": "null"}]}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_COUNT = {"type": "integer", "minimum": 1}
_SWITCH = _or_null({"type": "boolean"})
_NUMBER = _or_null({"type": "number"})
_CHOICE = _or_null({"enum": ["auto", "none", "required"]}, _OBJECT)
_TYPED = {"type": "object", "required": ["type"], "properties": {"type": _TEXT}}
_SETTINGS = {
    "model": _TEXT,
    "stream": _SWITCH,
    "stream_options": _or_null({"type": "object", "properties": {"include_usage": _SWITCH}}),
    "seed": _or_null({"type": "integer"}),
    "stop": _or_null(_TEXT, _list(_TEXT)),
    "temperature": _or_null({"type": "number", "minimum": 0}),
    "top_p": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
    "top_k": _or_null({"type": "integer", "minimum": -1}),
    "min_p": _or_null({"type": "number", "minimum": 0, "maximum": 1}),
    "min_tokens": _or_null({"type": "integer", "minimum": 0}),
    "n": _or_null({**_COUNT, "maximum": 128}),
    "user": _or_null(_TEXT),
}
_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": _or_null(_TEXT, _list(_TYPED)),
        "name": _or_null(_TEXT),
        "refusal": _or_null(_TEXT),
        "reasoning_content": _or_null(_TEXT),
        "tool_calls": _or_null(_list(_OBJECT)),
        "tool_call_id": _or_null(_TEXT),
        "function_call": _or_null(_OBJECT),
    },
}
_LIMITS = {"max_tokens": _or_null(_COUNT), "max_completion_tokens": _or_null(_COUNT)}
_CHAT = {
    **_SETTINGS,
    **_LIMITS,
    "messages": _list(_MESSAGE, minItems=1),
    "tools": _or_null(_list(_TYPED)),
    "tool_choice": _CHOICE,
    "parallel_tool_calls": _SWITCH,
    "functions": _or_null(_list(_OBJECT)),
    "function_call": _or_null(_TEXT, _OBJECT),
    "response_format": _or_null(_TYPED),
    "reasoning_effort": _or_null(_TEXT),
    "logprobs": _SWITCH,
    "top_logprobs": _or_null({"type": "integer", "minimum": 0}),
    "frequency_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "logit_bias": _or_null(_OBJECT),
}
_COMPLETION = {
    **_SETTINGS,
    **_LIMITS,
    "prompt": {"anyOf": [_TEXT, _list(_TEXT, minItems=1)]},
    "echo": _SWITCH,
    "logprobs": _or_null({"type": "integer", "minimum": 0}),
}
_ITEM = {
    "type": "object",
    "properties": {
        "type": {
            "enum": [
                "message",
                "reasoning",
                "function_call",
                "function_call_output",
                "custom_tool_call",
                "custom_tool_call_output",
            ]
        },
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": _or_null(_TEXT, _list(_TYPED)),
        "call_id": _TEXT,
        "name": _TEXT,
        "arguments": _TEXT,
        "input": _TEXT,
        "output": {"anyOf": [_TEXT, _list(_TYPED)]},
    },
}
_RESPONSE = {
    **{name: schema for name, schema in _SETTINGS.items() if name != "n"},
    "input": {"anyOf": [_TEXT, _list(_ITEM, minItems=1)]},
    "instructions": _or_null(_TEXT),
    "max_output_tokens": _or_null(_COUNT),
    "tools": _or_null(_list(_TYPED)),
    "tool_choice": _CHOICE,
    "parallel_tool_calls": _SWITCH,
    "text": _or_null({"type": "object", "properties": {"format": _or_null(_TYPED)}}),
    "reasoning": _or_null({"type": "object", "properties": {"effort": _or_null(_TEXT)}}),
    "store": _SWITCH,
    "metadata": _or_null(_OBJECT),
}
_EMBEDDING = {
    "model": _TEXT,
    "input": {"anyOf": [_TEXT, _list({"anyOf": [_TEXT, {"type": "integer"}, _list({"type": "integer"})]})]},
    "encoding_format": _or_null({"enum": ["float", "base64"]}),
    "dimensions": _or_null(_COUNT),
}


def document() -> dict[str, Any]:
    """The document, ready for JSON."""
    post: dict[str, tuple[str, str, dict[str, Any]]] = {
        "/v1/chat/completions": ("Answer a conversation.", "messages", _CHAT),
        "/v1/completions": ("Continue a text.", "prompt", _COMPLETION),
        "/v1/responses": ("Answer, in the shape of the Responses API.", "input", _RESPONSE),
        "/v1/embeddings": ("Embed texts.", "input", _EMBEDDING),
    }
    get = {
        "/v1/models": "The models, plain and behind every method they can run.",
        "/health": "Whether the process runs.",
        "/ready": "Whether it takes requests.",
        "/metrics": "Numbers for Prometheus.",
        "/status.json": "Numbers for programs.",
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "ttscale gateway", "version": __version__},
        "paths": {
            **{path: {"post": _post(*one)} for path, one in post.items()},
            "/v1/models/{model}": {"get": _model()},
            **{path: {"get": {"summary": about, "responses": _answers()}} for path, about in get.items()},
        },
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _post(about: str, needed: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["model", needed],
        "properties": {**fields, "ttscale": _or_null(_options())},
    }
    return {
        "summary": about,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _answers(),
    }


def _model() -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": _TEXT}
    return {"summary": "One model, plain or behind a method.", "parameters": [name], "responses": _answers()}


def _options() -> dict[str, Any]:
    """The `ttscale` object."""
    schema = deepcopy(schema_of(Options))
    fields = schema["properties"]
    fields["method"]["examples"] = ["ffs(n=8)"]
    del fields["budget"]["properties"]["units"]  # not for a request to limit
    return schema


def _answers() -> dict[str, Any]:
    return {
        "200": {"description": "The reply; a stream of events if that was asked for."},
        "default": {"description": "An error in OpenAI's shape."},
    }
